"""What Dagster's webserver says of itself and of the daemon, over a real socket."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from market_pipeline.cli import main
from market_pipeline.cli.start_display import StartDisplay
from market_pipeline.cli.terminal import SafeConsole
from market_pipeline.local.down import bring_down
from market_pipeline.local.ports import listeners
from market_pipeline.local.up import Start
from market_pipeline.local.webserver import address, daemon_works, serves_page, url_with_token
from market_pipeline.settings import Settings
from market_pipeline.webserver import access_token


class Webserver:
    """Answers as Dagster's does behind its guard; ``statuses`` is what it knows of the daemon."""

    def __init__(self, data_dir: Path) -> None:
        self.statuses: list[dict[str, Any]] = []
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer({"dagster_webserver_version": "1"})

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert "allDaemonStatuses" in asked["query"]
                self._answer({"data": {"instance": {"daemonHealth": {"allDaemonStatuses": outer.statuses}}}})

            def _answer(self, body: object) -> None:
                known = self.headers["Authorization"] == f"Bearer {outer.token}"
                self.send_response(outer.status if known else 401)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.settings = Settings.load(data_dir=data_dir, port_base=self.port - 30)
        self.token = access_token.renew(self.settings.dagster_token_path)


@pytest.fixture
def webserver(tmp_path: Path) -> Iterator[Webserver]:
    webserver = Webserver(tmp_path)
    thread = threading.Thread(target=webserver.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield webserver
    webserver.server.shutdown()
    webserver.server.server_close()
    thread.join()


def status(*, at: float | None, healthy: bool = True, required: bool = True) -> dict[str, Any]:
    return {"required": required, "healthy": healthy, "lastHeartbeatTime": at}


def test_the_daemon_works_when_all_that_is_needed_of_it_has_told_so_since(webserver: Webserver) -> None:
    webserver.statuses = [status(at=100.0), status(at=101.0), status(at=None, healthy=False, required=False)]
    assert daemon_works(webserver.settings, 100.0)


@pytest.mark.parametrize(
    "statuses",
    [
        [],
        [status(at=100.0), status(at=99.9)],
        [status(at=100.0), status(at=None)],
        [status(at=100.0), status(at=100.0, healthy=False)],
        [status(at=100.0, required=False)],
    ],
    ids=["nothing", "of an earlier run", "never", "not healthy", "nothing needed"],
)
def test_the_daemon_does_not_work_yet(webserver: Webserver, statuses: list[dict[str, Any]]) -> None:
    webserver.statuses = statuses
    assert not daemon_works(webserver.settings, 100.0)


def test_an_error_is_no_answer(webserver: Webserver) -> None:
    webserver.statuses = [status(at=100.0)]
    assert serves_page(webserver.settings)
    webserver.status = 500
    assert not serves_page(webserver.settings)
    assert not daemon_works(webserver.settings, 100.0)


def test_a_webserver_that_does_not_take_our_token_is_not_ours(webserver: Webserver) -> None:
    webserver.statuses = [status(at=100.0)]
    access_token.renew(webserver.settings.dagster_token_path)
    assert not serves_page(webserver.settings)
    assert not daemon_works(webserver.settings, 100.0)
    webserver.settings.dagster_token_path.chmod(0o644)
    assert not serves_page(webserver.settings)
    webserver.settings.dagster_token_path.unlink()
    assert not serves_page(webserver.settings)


def test_the_url_that_signs_in_has_the_token_and_the_name_that_people_use(webserver: Webserver) -> None:
    settings = webserver.settings
    assert url_with_token(settings) == f"http://127.0.0.1:{webserver.port}/?token={webserver.token}"
    behind = settings.model_copy(update={"dagster_url": "https://dagster.example/"})
    assert url_with_token(behind) == f"https://dagster.example/?token={webserver.token}"
    published = settings.model_copy(update={"dagster_published_port": 3000})
    assert url_with_token(published) == f"http://127.0.0.1:3000/?token={webserver.token}"
    settings.dagster_token_path.unlink()
    assert url_with_token(settings) is None


@pytest.mark.parametrize(
    ("listens_on", "asked"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("10.0.0.5", "10.0.0.5")]
)
def test_the_page_is_asked_where_it_listens(listens_on: str, asked: str, tmp_path: Path) -> None:
    assert address(Settings.load(data_dir=tmp_path, port_base=31000, dagster_host=listens_on)) == f"{asked}:31030"


def test_each_start_has_a_new_token_and_its_end_removes_it(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path)
    start = Start(settings, StartDisplay(SafeConsole()))
    start._make_token()
    first = access_token.read(settings.dagster_token_path)
    start._make_token()
    assert access_token.read(settings.dagster_token_path) not in (None, first)
    bring_down(settings)
    assert access_token.read(settings.dagster_token_path) is None


def test_a_token_of_a_users_own_stays(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path / "data", dagster_token_file=tmp_path / "own")
    token = access_token.renew(settings.dagster_token_path)
    Start(settings, StartDisplay(SafeConsole()))._make_token()
    bring_down(settings)
    assert access_token.read(tmp_path / "own") == token
    assert token in (url_with_token(settings) or "")


def test_the_token_is_not_sent_to_another_user_who_listens_there(
    webserver: Webserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert listeners(webserver.port) == {os.getuid()}
    assert serves_page(webserver.settings)
    monkeypatch.setattr("market_pipeline.local.webserver.listeners", lambda port: {os.getuid() + 1})
    assert not serves_page(webserver.settings)
    refused = CliRunner().invoke(main, ["dagster-url"], env=dict(webserver.settings.environment()))
    assert refused.exit_code == 1
    assert "another user of this machine listens on" in refused.stderr
    assert webserver.token not in refused.output


def test_nobody_there(webserver: Webserver, tmp_path: Path) -> None:
    with socket.socket() as bound_but_deaf:
        bound_but_deaf.bind(("127.0.0.1", 0))
        port = bound_but_deaf.getsockname()[1]
        settings = Settings.load(data_dir=tmp_path, port_base=port - 30)
        assert not serves_page(settings)
        assert not daemon_works(settings, 0.0)
