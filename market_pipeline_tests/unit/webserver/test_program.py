"""The webserver as it is started: what it listens on, what it logs, how it ends. Over real sockets."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from market_pipeline.local.programs import dagster_command
from market_pipeline.local.webserver import serves_page, url_with_token
from market_pipeline.settings import Settings, SettingsError
from market_pipeline.webserver import access_token
from market_pipeline.webserver.__main__ import policy
from market_pipeline.webserver.request import Authority, Origin
from market_pipeline_tests.waiting import wait_for


@dataclass(frozen=True)
class Running:
    settings: Settings
    process: subprocess.Popen[bytes]
    log: Path

    def told(self, query: str) -> dict[str, Any]:
        """What GraphQL answers to who has the token."""
        connection = http.client.HTTPConnection("127.0.0.1", self.settings.ports.webserver, timeout=20)
        token = access_token.read(self.settings.dagster_token_path)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request("POST", "/graphql", json.dumps({"query": query}), headers)
        found: dict[str, Any] = json.loads(connection.getresponse().read())["data"]
        connection.close()
        return found

    def answer(self, path: str, **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.settings.ports.webserver, timeout=20)
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        response.read()
        connection.close()
        return response


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, free_port_base: Callable[[], int]) -> Iterator[Running]:
    """The program, over a workspace without code. Read only, as it is told by a variable."""
    settings = Settings.load(
        data_dir=tmp_path_factory.mktemp("webserver"), port_base=free_port_base(), dagster_read_only=True
    )
    settings.paths.config.mkdir()
    settings.paths.dagster.mkdir()
    (settings.paths.config / "workspace.yaml").write_text("load_from: []\n", encoding="utf-8")
    (settings.paths.dagster / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    log = settings.data_dir / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            dagster_command("dagster-webserver", settings),
            env=os.environ | dict(settings.environment()) | {"DAGSTER_HOME": str(settings.paths.dagster)},
            cwd=settings.data_dir,
            stdout=output,
            stderr=output,
        )
    try:
        wait_for(lambda: serves_page(settings) or process.poll() is not None, "the page", within_s=120)
        assert process.poll() is None, log.read_text()
        yield Running(settings, process, log)
    finally:
        process.kill()
        process.wait(30)


def test_the_url_with_the_token_signs_in_and_the_log_never_shows_it(running: Running) -> None:
    url = url_with_token(running.settings)
    assert url is not None
    path = url.removeprefix(running.settings.page_url)
    token = path.partition("token=")[2]
    signing_in = running.answer(path)
    assert (signing_in.status, signing_in.getheader("Location")) == (303, "/")
    cookie = (signing_in.getheader("Set-Cookie") or "").partition(";")[0]
    assert running.answer("/", Cookie=cookie).status == 200
    assert running.answer("/").status == 401
    assert running.answer(f"{path}x").status == 401
    assert token not in running.log.read_text()
    assert "refused GET / from 127.0.0.1" in running.log.read_text()


def test_the_setting_makes_the_page_that_is_started_read_only(running: Running) -> None:
    assert running.settings.environment()["MARKET_PIPELINE_DAGSTER_READ_ONLY"] == "True"
    assert running.told("{ version }")["version"]
    ended = running.told('mutation { terminateRun(runId: "none") { __typename } }')
    assert ended == {"terminateRun": {"__typename": "UnauthorizedError"}}  # else there would be no such run
    may = {
        each["permission"]: each["value"]
        for each in running.told("{ permissions { permission value } }")["permissions"]
    }
    assert len(may) > 10
    assert [name for name, value in may.items() if value] == []


def test_a_forwarded_address_is_not_the_peers(running: Running) -> None:
    assert running.answer("/", Host="evil.example").status == 403
    assert running.answer("/runs/from-afar", X_Forwarded_For="10.9.8.7").status == 401
    assert "10.9.8.7" not in running.log.read_text()


def test_two_host_headers_or_two_lengths_are_refused(running: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", running.settings.ports.webserver, timeout=20)
    connection.putrequest("GET", "/", skip_host=True)
    connection.putheader("Host", f"127.0.0.1:{running.settings.ports.webserver}")
    connection.putheader("Host", "evil.example")
    connection.endheaders()
    assert connection.getresponse().status == 400
    connection.close()


def test_it_ends_at_once_and_a_new_one_has_the_same_token(running: Running) -> None:
    before = access_token.read(running.settings.dagster_token_path)
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(20) == 0, running.log.read_text()
    assert "Traceback" not in running.log.read_text()
    assert access_token.ensure(running.settings.dagster_token_path) == before


@pytest.mark.parametrize(
    ("variables", "reason"),
    [({}, "DAGSTER_HOME is not set"), ({"DAGSTER_HOME": "home"}, "chmod 600 token`")],
    ids=["no home", "a token that others can read"],
)
def test_what_keeps_it_from_starting_is_one_line(variables: dict[str, str], reason: str, tmp_path: Path) -> None:
    access_token.renew(tmp_path / "token")
    (tmp_path / "token").chmod(0o644)
    ours = {"MARKET_PIPELINE_DATA_DIR": str(tmp_path), "MARKET_PIPELINE_DAGSTER_TOKEN_FILE": str(tmp_path / "token")}
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    done = subprocess.run(
        [sys.executable, "-m", "market_pipeline.webserver", "--workspace", "absent.yaml"],
        env=environment | ours | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "dagster-webserver cannot start: " in line
    assert reason in line.replace(f"{tmp_path}/", "")


def test_the_settings_become_a_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.load(
        data_dir=tmp_path,
        dagster_url="https://dagster.example/",
        dagster_hosts="box:29030, other",
        dagster_trusted_proxies="10.0.0.0/8,::1",
        dagster_identity_header="X-User",
        dagster_host="192.168.0.7",
    )
    found = policy(settings, "x" * 40)
    assert found.public == Origin("https", Authority("dagster.example", 443))
    assert found.hosts == {Authority("box", 29030), Authority("other", None), Authority("192.168.0.7", None)}
    assert [str(each) for each in found.proxies] == ["10.0.0.0/8", "::1/128"]
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    child = Settings.load()
    assert policy(child, "x" * 40) == found


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("dagster_hosts", "http://a"),
        ("dagster_hosts", "a,b/c"),
        ("dagster_trusted_proxies", "proxy.example"),
        ("dagster_trusted_proxies", "10.0.0.1/8"),
        ("dagster_identity_header", "X-User"),
        ("dagster_identity_header", "X User"),
        ("dagster_published_port", "0"),
    ],
)
def test_a_setting_that_would_let_in_others_than_meant_is_refused(setting: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"^MARKET_PIPELINE_{setting.upper()}(:| must be) "):
        Settings.load(data_dir=tmp_path, **{setting: value})
