"""What Dagster's webserver says of itself and of the daemon, over a real socket."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from market_pipeline.local.webserver import accepts, daemon_works, serves_page


class Webserver:
    """Answers as Dagster's does; ``statuses`` is what it knows of the daemon."""

    def __init__(self) -> None:
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
                self.send_response(outer.status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]


@pytest.fixture
def webserver() -> Iterator[Webserver]:
    webserver = Webserver()
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
    assert daemon_works(webserver.port, 100.0)


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
    assert not daemon_works(webserver.port, 100.0)


def test_an_error_is_no_answer(webserver: Webserver) -> None:
    webserver.statuses = [status(at=100.0)]
    assert serves_page(webserver.port)
    webserver.status = 500
    assert not serves_page(webserver.port)
    assert not daemon_works(webserver.port, 100.0)


def test_nobody_there(webserver: Webserver) -> None:
    assert accepts(webserver.port)
    with socket.socket() as bound_but_deaf:
        bound_but_deaf.bind(("127.0.0.1", 0))
        port = bound_but_deaf.getsockname()[1]
        assert not accepts(port)
        assert not serves_page(port)
        assert not daemon_works(port, 0.0)
