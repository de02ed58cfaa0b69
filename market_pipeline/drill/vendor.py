"""The vendor of a drill: Finnhub's protocol over a real websocket; it can be mute, be cut off, and refuse the key."""

import http
import logging
import threading
from collections.abc import Callable

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from market_pipeline.feed.players import Client, SimulatorPlayer
from market_pipeline.feed.server import CLOSE_TIMEOUT_S, FeedServer
from market_pipeline.settings import LOOPBACK

PING_EVERY_S = 5.0
SEED = 17


logging.getLogger("websockets").setLevel(logging.CRITICAL)  # how connections end is what the drill is about


class MutablePlayer(SimulatorPlayer):
    """The simulator, which can fall mute for the clients that are there; a new one hears trades again."""

    def __init__(self, rate: float) -> None:
        super().__init__(rate, SEED)
        self._lock = threading.Lock()
        self._mute = frozenset[int]()
        self._here: dict[int, Client] = {}

    def mute(self) -> None:
        """Send no more trades to those who are connected; pings go on."""
        with self._lock:
            self._mute = frozenset(self._here)

    def play(self, client: Client) -> None:
        """Send until the client is gone."""
        heard = client.send
        with self._lock:
            self._here[id(client)] = client

        def send(payload: bytes) -> None:
            if id(client) not in self._mute or b'"type":"trade"' not in payload:
                heard(payload)

        client.send = send
        try:
            super().play(client)
        finally:
            with self._lock:
                self._here.pop(id(client), None)


class Vendor:
    """Listens on a port of this machine that stays the same; ``rate`` is in trades a second."""

    def __init__(self, rate: float) -> None:
        self.player = MutablePlayer(rate)
        self._refuses = False
        self._server: Server | None = None
        self._connections: set[ServerConnection] = set()
        self.port = 0
        self.listen()

    @property
    def url(self) -> str:
        return f"ws://{LOOPBACK}:{self.port}"

    def listen(self) -> None:
        """Be there; on the same port as before."""
        feed = FeedServer(self.player, PING_EVERY_S)
        handle = self._watched(feed.handle)
        self._server = serve(
            handle,
            LOOPBACK,
            self.port,
            compression=None,
            origins=[None],  # no browser's page
            max_size=1 << 20,
            close_timeout=CLOSE_TIMEOUT_S,
            process_request=self._answer,
        )
        self.port = self._server.socket.getsockname()[1]
        threading.Thread(target=self._server.serve_forever, name="vendor", daemon=True).start()

    def cut(self) -> None:
        """The network is gone: no new connection, and those that are there end."""
        if self._server is not None:
            self._server.shutdown()
            self._server = None
        self.hang_up()

    def hang_up(self) -> None:
        """End the connections that are there, without a word of farewell."""
        for connection in list(self._connections):
            connection.socket.close()

    def refuse(self, refuses: bool) -> None:
        """Whether the key is refused from now on, with 401 as the vendor does."""
        self._refuses = refuses

    def close(self) -> None:
        self.cut()

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        if not self._refuses:
            return None
        status = http.HTTPStatus.UNAUTHORIZED
        return Response(status.value, status.phrase, Headers([("Content-Length", "0")]))

    def _watched(self, handle: Callable[[ServerConnection], None]) -> Callable[[ServerConnection], None]:
        def watched(connection: ServerConnection) -> None:
            self._connections.add(connection)
            try:
                handle(connection)
            finally:
                self._connections.discard(connection)

        return watched
