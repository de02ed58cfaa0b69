"""The outside watchdog hears of each round; when it does not, the round goes on all the same."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from market_pipeline.alerts.watchdog import report_alive


class Outside(HTTPServer):
    heard: list[str]
    status = 200


class Handler(BaseHTTPRequestHandler):
    server: Outside

    def do_POST(self) -> None:
        self.server.heard.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None: ...


@pytest.fixture
def outside() -> Iterator[Outside]:
    server = Outside(("127.0.0.1", 0), Handler)
    server.heard = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_it_hears_what_was_found(outside: Outside) -> None:
    assert report_alive(f"http://127.0.0.1:{outside.server_port}/ping", "all is well: 24 looks")
    assert outside.heard == ["all is well: 24 looks"]


def test_one_that_refuses_or_is_not_there_is_told_in_the_log(
    outside: Outside, free_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    outside.status = 503
    assert not report_alive(f"http://127.0.0.1:{outside.server_port}/ping", "well")
    assert not report_alive(f"http://127.0.0.1:{free_port}/ping", "well")
    assert not report_alive("http://", "well")
    assert caplog.text.count("was not told that we are alive") == 3
