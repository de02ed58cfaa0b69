"""The guard around Dagster's real app: each attack reaches Dagster without it, and none with it."""

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from dagster import DagsterInstance, DagsterRunStatus
from dagster._core.test_utils import create_run_for_test
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster_webserver.app import create_app_from_workspace_process_context

from market_pipeline.webserver.guard import Guard
from market_pipeline.webserver.policy import Policy
from market_pipeline_tests.asgi import Answer, ask

POLICY = Policy("token-of-this-start-" + "x" * 23)
HOST = "127.0.0.1:29030"
SIGNED_IN = {"Host": HOST, "Cookie": f"market-pipeline-dagster-29030={POLICY.session}"}
JSON = {"Content-Type": "application/json"}
BEARER = {"Host": HOST, "Authorization": f"Bearer {POLICY.token}"}
EVIL = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}


class Server:
    """Dagster's app over an instance with one run, bare or guarded."""

    def __init__(self, instance: DagsterInstance, app: Any) -> None:
        self._instance = instance
        self.bare = app
        self.guarded = Guard(app, POLICY)
        self.run_id = create_run_for_test(instance, job_name="j", status=DagsterRunStatus.STARTED).run_id
        self.terminate = (
            f'mutation {{ terminateRun(runId: "{self.run_id}", terminatePolicy: MARK_AS_CANCELED_IMMEDIATELY) '
            "{ __typename } }"
        )

    @property
    def run_goes_on(self) -> bool:
        run = self._instance.get_run_by_id(self.run_id)
        assert run is not None
        return run.status == DagsterRunStatus.STARTED


@pytest.fixture(scope="module")
def dagster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DagsterInstance, Any]]:
    """An instance of Dagster, and its app, which takes seconds to make."""
    home = tmp_path_factory.mktemp("dagster-home")
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    with (
        DagsterInstance.from_config(str(home)) as instance,
        WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as context,
    ):
        yield instance, create_app_from_workspace_process_context(context)


@pytest.fixture
def server(dagster: tuple[DagsterInstance, Any]) -> Server:
    return Server(*dagster)


def an_image(app: Any, server: Server) -> Answer:
    headers = SIGNED_IN | {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image", "Accept": "image/webp,*/*"}
    return ask(app, "GET", "/graphql", headers, query=urlencode({"query": server.terminate}))


def an_image_of_an_older_browser(app: Any, server: Server) -> Answer:
    return ask(app, "GET", "/graphql", SIGNED_IN, query=urlencode({"query": server.terminate}))


def an_image_with_a_newline(app: Any, server: Server) -> Answer:
    return ask(app, "GET", "/graphql\n", SIGNED_IN, query=urlencode({"query": server.terminate}))


def a_link(app: Any, server: Server) -> Answer:
    headers = SIGNED_IN | {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    return ask(app, "GET", "/graphql", headers, query=urlencode({"query": server.terminate}))


def a_form(app: Any, server: Server) -> Answer:
    headers = SIGNED_IN | EVIL | {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
    return ask(app, "POST", "/graphql", headers, query=urlencode({"query": server.terminate}))


def plain_text(app: Any, server: Server) -> Answer:
    headers = SIGNED_IN | EVIL | {"Content-Type": "text/plain;application/json"}
    return ask(app, "POST", "/graphql", headers, body=json.dumps({"query": server.terminate}).encode())


def plain_text_of_an_older_browser(app: Any, server: Server) -> Answer:
    headers = SIGNED_IN | {"Content-Type": "text/plain;application/json"}
    return ask(app, "POST", "/graphql", headers, body=json.dumps({"query": server.terminate}).encode())


def graphql_text(app: Any, server: Server) -> Answer:
    return ask(
        app, "POST", "/graphql", SIGNED_IN | {"Content-Type": "application/graphql"}, body=server.terminate.encode()
    )


def a_name_of_theirs(app: Any, server: Server) -> Answer:
    """DNS rebinding: the page and the server have one origin, evil.example:29030."""
    headers = {"Host": "evil.example:29030", "Origin": "http://evil.example:29030", "Sec-Fetch-Site": "same-origin"}
    return ask(app, "POST", "/graphql", headers | JSON, body=json.dumps({"query": server.terminate}).encode())


def another_port(app: Any, server: Server) -> Answer:
    headers = SIGNED_IN | JSON | {"Origin": "http://127.0.0.1:8888", "Sec-Fetch-Site": "same-site"}
    return ask(app, "POST", "/graphql", headers, body=json.dumps({"query": server.terminate}).encode())


def another_port_of_an_older_browser(app: Any, server: Server) -> Answer:
    headers = SIGNED_IN | JSON | {"Origin": "http://127.0.0.1:8888"}
    return ask(app, "POST", "/graphql", headers, body=json.dumps({"query": server.terminate}).encode())


def another_user(app: Any, server: Server) -> Answer:
    """No browser at all: a local user, or a program, that knows no token."""
    return ask(app, "POST", "/graphql", {"Host": HOST} | JSON, body=json.dumps({"query": server.terminate}).encode())


ATTACKS = [
    an_image, an_image_of_an_older_browser, an_image_with_a_newline, a_link, a_form, plain_text,
    plain_text_of_an_older_browser, graphql_text, a_name_of_theirs, another_port,
    another_port_of_an_older_browser, another_user,
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_an_attack_ends_a_run_of_bare_dagster_and_none_behind_the_guard(attack: Any, server: Server) -> None:
    answer = attack(server.guarded, server)
    assert server.run_goes_on
    assert answer.status in (400, 401, 403, 405, 415)
    attack(server.bare, server)
    assert not server.run_goes_on


@pytest.mark.parametrize(
    "headers",
    [
        SIGNED_IN,
        SIGNED_IN | EVIL,
        SIGNED_IN | {"Origin": EVIL["Origin"]},
        SIGNED_IN | {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "cross-site"},
        {"Host": HOST, "Origin": f"http://{HOST}"},
    ],
    ids=["of nobody", "foreign", "foreign, of an older browser", "foreign by its site", "not signed in"],
)
def test_a_foreign_websocket_is_accepted_by_bare_dagster_alone(headers: dict[str, str], server: Server) -> None:
    assert ask(server.bare, "GET", "/graphql", headers, websocket=True).status == 101
    assert ask(server.guarded, "GET", "/graphql", headers, websocket=True).status == 403


def test_our_page_and_our_own_calls_work(server: Server) -> None:
    ours = {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}
    assert ask(server.guarded, "GET", "/graphql", SIGNED_IN | ours, websocket=True).status == 101
    assert ask(server.guarded, "GET", "/server_info", BEARER).status == 200
    query = urlencode({"query": server.terminate})
    playground = ask(server.guarded, "GET", "/graphql", SIGNED_IN | {"Accept": "text/html"}, query=query)
    assert b"graphiql" in playground.body
    assert server.run_goes_on
    body = json.dumps({"query": server.terminate}).encode()
    assert ask(server.guarded, "POST", "/graphql", SIGNED_IN | ours | JSON, body=body).status == 200
    assert not server.run_goes_on


def test_a_read_only_page_changes_nothing(dagster: tuple[DagsterInstance, Any]) -> None:
    instance, _ = dagster
    with WorkspaceProcessContext(instance, EmptyWorkspaceTarget(), read_only=True) as context:
        server = Server(instance, create_app_from_workspace_process_context(context))
        body = json.dumps({"query": server.terminate}).encode()
        assert ask(server.guarded, "POST", "/graphql", BEARER | JSON, body=body).status == 200
        assert server.run_goes_on
        report = ask(server.guarded, "POST", "/report_asset_materialization/a", BEARER | JSON, body=b"{}")
        assert report.status == 401


def test_nobody_frames_the_page_and_no_url_leaves_it(server: Server) -> None:
    for answer in (
        ask(server.guarded, "GET", "/", SIGNED_IN | {"Accept": "text/html"}),
        ask(server.guarded, "GET", "/", {"Host": HOST, "Accept": "text/html"}),
        ask(server.guarded, "GET", "/", {"Host": HOST}, query=f"token={POLICY.token}"),
    ):
        assert answer.values("Referrer-Policy") == ["no-referrer"]
        assert answer.values("X-Content-Type-Options") == ["nosniff"]
        assert answer.values("X-Frame-Options") == ["DENY"]
        assert any("frame-ancestors 'none'" in value for value in answer.values("Content-Security-Policy"))


def test_a_page_of_dagsters_keeps_dagsters_own_policy_of_scripts(server: Server) -> None:
    own = ask(server.bare, "GET", "/", SIGNED_IN).values("Content-Security-Policy")
    guarded = ask(server.guarded, "GET", "/", SIGNED_IN).values("Content-Security-Policy")
    assert len(own) == 1
    assert [value.partition("script-src")[0] for value in own] == [
        value.partition("script-src")[0] for value in guarded[:1]
    ]


def test_who_is_not_signed_in_reads_where_the_url_is(server: Server) -> None:
    answer = ask(server.guarded, "GET", "/runs", {"Host": HOST, "Accept": "text/html"})
    assert answer.status == 401
    assert answer.values("WWW-Authenticate") == ['Bearer realm="Dagster"']
    assert b"market-pipeline dagster-url" in answer.body
    plain = ask(server.guarded, "GET", "/runs", {"Host": HOST})
    assert plain.body == b"You are not signed in.\n"


def test_a_name_in_the_page_is_escaped(server: Server) -> None:
    answer = ask(server.guarded, "GET", "/", {"Host": "a.example", "Accept": "text/html"})
    assert answer.status == 403
    assert b"not served under the name a.example" in answer.body
    assert ask(server.guarded, "GET", "/", {"Host": "<b>", "Accept": "text/html"}).body.count(b"<b>") == 0


def test_signing_in_sets_the_cookie_and_hides_the_token(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = ask(server.guarded, "GET", "/runs/1", {"Host": HOST}, query=f"token={POLICY.token}&a=1")
        ask(server.guarded, "GET", "/runs/1\nforged", {"Host": HOST}, query=f"token={POLICY.token}wrong")
        ask(server.guarded, "GET", "/runs/1", {"Host": HOST}, query=f"token={POLICY.token}wrong")
    assert (answer.status, answer.values("Location"), answer.body) == (303, ["/runs/1?a=1"], b"")
    (cookie,) = answer.values("Set-Cookie")
    name_and_value = cookie.partition(";")[0]
    assert ask(server.guarded, "GET", "/server_info", {"Host": HOST, "Cookie": name_and_value}).status == 200
    assert "refused GET /runs/1 from 127.0.0.1: The token in the URL is not" in caplog.text
    assert POLICY.token not in caplog.text
    assert all(len(record.getMessage().splitlines()) == 1 for record in caplog.records)


def test_the_start_and_the_end_of_the_server_pass_and_nothing_unknown_does() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    asyncio.run(Guard(app, POLICY)({"type": "lifespan"}, nothing, nothing))
    with pytest.raises(ValueError, match="webtransport"):
        asyncio.run(Guard(app, POLICY)({"type": "webtransport"}, nothing, nothing))
    assert seen == ["lifespan"]
