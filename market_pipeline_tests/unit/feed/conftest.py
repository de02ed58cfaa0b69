"""A Finnhub of our own: a real websocket server on a free port, which does to its clients what each test needs."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from market_pipeline.feed.disconnect import Disconnected
from market_pipeline.feed.transport import Connection
from market_pipeline.settings import LOOPBACK

SAMPLE = Path(__file__).resolve().parents[4] / "shared" / "data" / "binance-btcusdt-2021-01-08.jsonl"
needs_sample = pytest.mark.skipif(not SAMPLE.exists(), reason="the real sample is not part of the repository")

Script = Callable[["FakeFinnhub", ServerConnection], None]


def trade_message(*elements: dict[str, Any]) -> str:
    return json.dumps({"data": list(elements), "type": "trade"})


def element(symbol: str = "AAPL", price: float = 189.5, volume: float = 10, ts: int | None = None) -> dict[str, Any]:
    return {"c": ["1"], "p": price, "s": symbol, "t": ts or time.time_ns() // 1_000_000, "v": volume}


def end_of(connection: Connection) -> Disconnected:
    """How a connection ends."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            connection.receive()
        except Disconnected as error:
            connection.close()
            return error
    raise AssertionError("the connection did not end")


class FakeFinnhub:
    """Counts what clients do; ``script`` is what it does to each connection, by default nothing but listening."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.script: Script = lambda server, connection: server.listen_to(connection)
        self.answer: Callable[[ServerConnection, Request], Response | None] = lambda connection, request: None
        self.paths: list[str] = []
        self.subscribed: list[list[str]] = []
        self.sent: list[dict[str, Any]] = []
        self.open = 0
        self.most_open = 0
        self._server: Server = serve(
            self._handle, LOOPBACK, 0, ssl=tls, process_request=self._request, compression=None
        )
        self.port = self._server.socket.getsockname()[1]
        self.url = f"{'wss' if tls else 'ws'}://{LOOPBACK}:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def listen_to(self, connection: ServerConnection, until: Callable[[], bool] = lambda: False) -> None:
        """Take subscriptions until the client goes or ``until`` holds."""
        symbols = self.subscribed[-1]
        while not until():
            try:
                message = json.loads(connection.recv(timeout=0.02))
            except TimeoutError:
                continue
            except ConnectionClosed:
                return
            self.sent.append(message)
            if message["type"] == "subscribe":
                symbols.append(message["symbol"])

    def close(self) -> None:
        self._server.shutdown()

    def _request(self, connection: ServerConnection, request: Request) -> Response | None:
        self.paths.append(request.path)
        return self.answer(connection, request)

    def _handle(self, connection: ServerConnection) -> None:
        self.subscribed.append([])
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            self.script(self, connection)
        finally:
            self.open -= 1


@pytest.fixture
def finnhub() -> Iterator[FakeFinnhub]:
    with ExitStack() as stack:
        server = FakeFinnhub()
        stack.callback(server.close)
        yield server
