"""The outside watchdog hears of each round; when it does not, the round goes on all the same."""

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from market_pipeline.alerts.ledger import Ledger
from market_pipeline.alerts.round import judge_now
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.alerts.watchdog import report_alive
from market_pipeline.settings import Settings


class Outside(HTTPServer):
    heard: list[str]
    status = 200
    location = ""


class Handler(BaseHTTPRequestHandler):
    server: Outside

    def do_POST(self) -> None:
        self.server.heard.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.send_header("Location", self.server.location)
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
    outside: Outside, refusing_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    outside.status = 503
    assert not report_alive(f"http://127.0.0.1:{outside.server_port}/ping", "well")
    assert not report_alive(f"http://127.0.0.1:{refusing_port}/ping", "well")
    assert not report_alive("http://", "well")
    assert caplog.text.count("did not take the report") == 3


SECRET = "s3cret-uuid"


@pytest.fixture
def uncaught(monkeypatch: pytest.MonkeyPatch) -> list[BaseException | None]:
    """With what threads died: their traceback would show the address."""
    found: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda died: found.append(died.exc_value))
    return found


@pytest.mark.parametrize(
    "url",
    [
        f"hc-ping.com/{SECRET}",
        f"https//hc-ping.com/{SECRET}",
        f"https://hc-ping.com:port/{SECRET}",
        f"https://[hc-ping.com/{SECRET}",
        f"https://hc-ping.com/{SECRET} ",
        f"https://hc-ping.com/{SECRET}\nX: y",
        f"https://127.0.0.1:1/ü{SECRET}",
        f"htps://hc-ping.com/{SECRET}",
        f"https://{'x' * 300}.example/{SECRET}",
        f"http://127.0.0.1:99999/{SECRET}",
        "",
        "\ud800",
    ],
)
def test_an_address_with_a_slip_raises_nothing_and_is_never_written(
    url: str, caplog: pytest.LogCaptureFixture, uncaught: list[BaseException | None]
) -> None:
    assert not report_alive(url, "well")
    assert "did not take the report" in caplog.text
    assert "no answer" not in caplog.text  # it was told why, and not left waiting by a thread that died
    assert SECRET not in caplog.text
    assert uncaught == []


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\xff\r\n\r\n",
        b"HTTP/1.1 nothing at all\r\n\r\n",
        b"HTTP/1.1 99999 no\r\n\r\n",
        b"HTTP/1.1 200 " + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 204\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://[\r\n\r\n",
        b"HTTP/1.1 401 no\r\nWWW-Authenticate: \xff\r\n\r\n",
    ],
    ids=["nothing", "bytes", "no status", "a long status", "a long line", "many headers", "no reason", "a slip", "odd"],
)
def test_whatever_a_server_answers_raises_nothing(
    answer: bytes, caplog: pytest.LogCaptureFixture, uncaught: list[BaseException | None]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def say() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=say)
        thread.start()
        taken = report_alive(f"http://127.0.0.1:{server.getsockname()[1]}/{SECRET}", "well")
        thread.join()
    assert taken == (b" 204" in answer)
    assert ("did not take the report" in caplog.text) is not taken
    assert "no answer" not in caplog.text
    assert SECRET not in caplog.text
    assert uncaught == []


def test_what_was_found_follows_no_redirect(outside: Outside, caplog: pytest.LogCaptureFixture) -> None:
    elsewhere = Outside(("127.0.0.1", 0), Handler)
    elsewhere.heard = []
    threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
    outside.location = f"http://127.0.0.1:{elsewhere.server_port}/{SECRET}"
    for status in (301, 302, 303, 307, 308):
        outside.status = status
        assert not report_alive(f"http://127.0.0.1:{outside.server_port}/ping", "well")
    elsewhere.shutdown()
    elsewhere.server_close()
    assert elsewhere.heard == []
    assert "HTTP 302" in caplog.text
    assert SECRET not in caplog.text


def test_a_server_that_never_ends_its_answer_costs_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("market_pipeline.alerts.watchdog.ANSWER_WITHIN_S", 0.2)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not over.wait(0.05):
                    connection.sendall(b"X")

        thread = threading.Thread(target=drip)
        thread.start()
        assert not report_alive(f"http://127.0.0.1:{server.getsockname()[1]}/ping", "well")
        assert thread.is_alive()  # it had not ended: nobody waited for it
        over.set()
        thread.join()


def test_a_resolver_that_hangs_costs_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No timeout of a socket holds for it."""
    over = threading.Event()
    monkeypatch.setattr("market_pipeline.alerts.watchdog.ANSWER_WITHIN_S", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(30) and [])
    began = time.monotonic()
    assert not report_alive(f"http://hc-ping.example/{SECRET}", "well")
    assert time.monotonic() - began < 15
    over.set()


def test_a_round_with_such_an_address_still_gives_its_remediations(
    tmp_path: Path, free_port_base: Any, uncaught: list[BaseException | None]
) -> None:
    """A real round on a data dir where nothing runs; what was due before is given, and the address is in no line."""
    settings = Settings.load(
        data_dir=tmp_path / "data", port_base=free_port_base(), canary=False, dagster=False, feed="simulator"
    ).model_copy(update={"watchdog_url": SecretStr(f"https//hc-ping.com/{SECRET}")})
    ledger = Ledger(settings.paths.incidents)
    down = Signal("program-down", "stream", Verdict.FAULT, "it was given up")
    for ago_s in (300.0, 0.0):
        ledger.judge([down], RULES, time.time() - ago_s)
    told = judge_now(settings)
    assert [(each.remedy, each.subject) for each in told.attempts] == [("restart_program", "stream")]
    assert SECRET not in repr(told)
    assert uncaught == []
