"""The socket against a real server: each way to fail has its reason."""

import contextlib
import socket
import threading
import time

import pytest
import websocket
from websocket._abnf import ABNF
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection

from market_pipeline.feed.bounded_frames import MAX_PARTS, BoundedFrames, BoundedMessages
from market_pipeline.feed.disconnect import Disconnected, Reason
from market_pipeline.feed.secrecy import Secrecy
from market_pipeline.feed.transport import Connection, connect
from market_pipeline.settings import LOOPBACK
from market_pipeline_tests.unit.feed.conftest import FakeFinnhub, end_of

OPEN = Secrecy(None)


def next_message(connection: Connection) -> bytes:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        payload = connection.receive()
        if payload is not None:
            return payload
    raise AssertionError("no message")


def status(code: int, **headers: str) -> object:
    def answer(connection: ServerConnection, request: Request) -> Response:
        response = connection.respond(code, "no\n")
        for name, value in headers.items():
            response.headers[name.replace("_", "-")] = value
        return response

    return answer


def test_text_binary_and_invalid_utf_8_arrive_as_their_bytes(finnhub: FakeFinnhub) -> None:
    def script(server: FakeFinnhub, connection: ServerConnection) -> None:
        connection.send("text é")
        connection.send(b"\xff\x00binary")
        connection.send(b"\xfe not utf-8", text=True)
        connection.send(["frag", "mented"])
        connection.send("x" * 1_100_000)
        server.listen_to(connection)

    finnhub.script = script
    connection = connect(finnhub.url, None, OPEN)
    got = [next_message(connection) for _ in range(5)]
    assert got[:4] == ["text é".encode(), b"\xff\x00binary", b"\xfe not utf-8", b"fragmented"]
    assert len(got[4]) == 1_100_000
    connection.close()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (401, Reason.REFUSED),
        (403, Reason.REFUSED),
        (429, Reason.RATE_LIMITED),
        (503, Reason.BAD_ANSWER),
        (302, Reason.BAD_ANSWER),
    ],
)
def test_the_answer_to_the_handshake_names_the_cause(finnhub: FakeFinnhub, code: int, reason: Reason) -> None:
    finnhub.answer = status(code, Location="ws://127.0.0.1:1/")  # type: ignore[assignment]
    with pytest.raises(Disconnected) as caught:
        connect(finnhub.url, "key", Secrecy("key"))
    assert caught.value.reason is reason
    assert len(finnhub.paths) == 1


@pytest.mark.parametrize(("header", "seconds"), [("90", 90.0), (None, None), ("nonsense", None)])
def test_retry_after_is_passed_on(finnhub: FakeFinnhub, header: str | None, seconds: float | None) -> None:
    finnhub.answer = status(429, **({"Retry_After": header} if header else {}))  # type: ignore[assignment]
    with pytest.raises(Disconnected) as caught:
        connect(finnhub.url, "key", Secrecy("key"))
    assert caught.value.retry_after_s == seconds


def test_nobody_listens(refusing_port: int) -> None:
    with pytest.raises(Disconnected, match="refused") as caught:
        connect(f"ws://{LOOPBACK}:{refusing_port}", None, OPEN)
    assert caught.value.reason is Reason.UNREACHABLE


def test_a_server_that_never_answers_the_handshake() -> None:
    with socket.create_server((LOOPBACK, 0)) as silent:
        with pytest.raises(Disconnected) as caught:
            connect(f"ws://{LOOPBACK}:{silent.getsockname()[1]}", None, OPEN, open_timeout_s=0.3)
        assert caught.value.reason is Reason.NO_ANSWER


def test_a_header_without_an_end_is_no_answer_in_time() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:

        def go_on() -> None:
            connection, _ = server.accept()
            with contextlib.suppress(OSError):
                while True:
                    connection.sendall(b"x" * 1024)
                    time.sleep(0.01)

        threading.Thread(target=go_on, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(Disconnected):
            connect(f"ws://{LOOPBACK}:{server.getsockname()[1]}", None, OPEN, open_timeout_s=0.5)
        assert time.monotonic() - began < 20


def test_a_message_of_frames_without_an_end_is_given_up() -> None:
    messages = BoundedMessages(BoundedFrames(lambda count: b"", 1.0))
    part = ABNF(fin=0, opcode=ABNF.OPCODE_TEXT, data=b"")
    for _ in range(MAX_PARTS):
        messages.add(part)
    with pytest.raises(websocket.WebSocketProtocolException, match="a message of more than 10000 frames"):
        messages.add(part)


def test_a_connection_cut_without_a_goodbye() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:

        def cut() -> None:
            connection, _ = server.accept()
            connection.recv(1000)
            connection.close()

        threading.Thread(target=cut, daemon=True).start()
        with pytest.raises(Disconnected):
            connect(f"ws://{LOOPBACK}:{server.getsockname()[1]}", None, OPEN, open_timeout_s=5)


def test_a_close_frame_tells_its_code(finnhub: FakeFinnhub) -> None:
    finnhub.script = lambda server, connection: connection.close(1012, "upgrade")
    connection = connect(finnhub.url, None, OPEN)
    error = end_of(connection)
    assert (error.reason, error.detail) == (Reason.CLOSED, "code 1012, upgrade")


def test_sending_on_a_dead_connection(finnhub: FakeFinnhub) -> None:
    connection = connect(finnhub.url, None, OPEN)
    connection.close()
    for act in (lambda: connection.send("x"), connection.receive):
        with pytest.raises(Disconnected):
            act()
