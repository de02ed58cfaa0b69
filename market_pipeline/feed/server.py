"""The program ``feed-server``: a local feed that speaks Finnhub's protocol over a real websocket.

``python -m market_pipeline.feed.server`` serves the simulator or a replay, so that one client code serves all feeds.
"""

import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from market_pipeline.feed.players import Client, Player, ReplayPlayer, SimulatorPlayer
from market_pipeline.feed.program import EXIT_FAILED, EXIT_USAGE, log_to_stderr, settings_or_exit
from market_pipeline.feed.recording import RecordingError
from market_pipeline.feed.secrecy import Secrecy
from market_pipeline.settings import Settings, SettingsError
from market_pipeline.supervision.heartbeat import Heartbeat
from market_pipeline.supervision.lock import EXIT_ALREADY_RUNNING, AlreadyRunning, ProcessLock
from market_pipeline.supervision.termination import on_termination

logger = logging.getLogger("market_pipeline.feed.server")
NAME = "feed-server"
PING_EVERY_S = 60.0
CLOSE_TIMEOUT_S = 1.0
"""How long a client may take to answer a close; a stop must not wait for one that hangs."""


LARGEST_ORDER = 1 << 20
"""Bytes of the largest message that a client may send."""


class FeedServer:
    """Serves one client at a time, as the vendor allows one connection a key: a new one closes the older.

    Args:
        player: what to send.
        ping_every_s: seconds between the protocol's pings.
    """

    def __init__(self, player: Player, ping_every_s: float = PING_EVERY_S) -> None:
        self.player = player
        self._ping_every_s = ping_every_s
        self._lock = threading.Lock()
        self._current: tuple[Client, ServerConnection] | None = None

    def listen(self, host: str, port: int) -> Server:
        """A websocket server on that address; ``serve_forever`` runs it.

        A connection with an Origin header is refused: only browsers send one, and no web page may read or steer the
        feed.

        Raises:
            OSError: the address can't be had.
        """
        return serve(
            self.handle,
            host,
            port,
            origins=[None],
            compression=None,
            max_size=LARGEST_ORDER,
            close_timeout=CLOSE_TIMEOUT_S,
        )

    @property
    def clients(self) -> int:
        return int(self._current is not None)

    def handle(self, connection: ServerConnection) -> None:
        """Serve one connection to its end."""
        client = Client(lambda payload: connection.send(payload, text=True))
        with self._lock:
            older, self._current = self._current, (client, connection)
        if older is not None:
            older[0].gone.set()
            older[1].close(1008, "a newer connection uses the key")
        threads = [self._start(work, client) for work in (self.player.play, self._ping)]
        try:
            for message in connection:
                self._obey(client, message)
        except ConnectionClosed:
            pass
        finally:
            client.gone.set()
            connection.close()
            for thread in threads:
                thread.join(5.0)
            with self._lock:
                if self._current is not None and self._current[0] is client:
                    self._current = None

    def _obey(self, client: Client, message: str | bytes) -> None:
        try:
            order = json.loads(message)
            kind, symbol = order["type"], order.get("symbol")
        except (ValueError, KeyError, TypeError, AttributeError):
            kind, symbol = None, None
        if kind == "resume":
            client.resume = order
        elif kind in ("subscribe", "unsubscribe") and isinstance(symbol, str) and self.player.knows(symbol):
            client.symbols = client.symbols | {symbol} if kind == "subscribe" else client.symbols - {symbol}
            client.subscribed_at = time.monotonic()
        else:
            text = f"Invalid symbol {symbol}" if kind == "subscribe" else "Invalid message"
            client.send(json.dumps({"type": "error", "msg": text}).encode())

    def _ping(self, client: Client) -> None:
        while not client.gone.wait(self._ping_every_s):
            client.send(b'{"type":"ping"}')

    def _start(self, work: Callable[[Client], None], client: Client) -> threading.Thread:
        thread = threading.Thread(target=self._guarded, args=(work, client), daemon=True)
        thread.start()
        return thread

    def _guarded(self, work: Callable[[Client], None], client: Client) -> None:
        try:
            work(client)
        except ConnectionClosed:
            client.gone.set()
        except Exception:
            logger.exception("the feed to this client broke off")
            client.gone.set()


def player_for(settings: Settings) -> Player:
    """What the settings ask to be played.

    Raises:
        RecordingError: the recording can't be played.
    """
    if settings.active_feed == "replay":
        return ReplayPlayer(settings.replay_file, settings.replay_speed or 0.0, settings.replay_once)
    return SimulatorPlayer(settings.rate, settings.simulator_seed)


def detail(feed: str, server: FeedServer) -> dict[str, Any]:
    """For the heartbeat."""
    played = server.player.played
    return {
        "feed": feed,
        "clients": server.clients,
        "messages": played.messages,
        "trades": played.trades,
        "finished": played.finished,
    }


def main() -> int:
    """Run the local feed; the exit code is 0 after a clean stop."""
    settings = settings_or_exit(NAME)
    log_to_stderr(Secrecy(None))
    if settings.active_feed == "finnhub":
        logger.critical("the feed finnhub needs no local server: use --feed simulator or --feed replay")
        return EXIT_USAGE
    try:
        with ProcessLock(settings.paths.lock(NAME)):
            return _serve(settings, FeedServer(player_for(settings)))
    except AlreadyRunning as error:
        logger.critical("%s", error)
        return EXIT_ALREADY_RUNNING
    except (RecordingError, SettingsError) as error:
        logger.critical("%s", error)
        return EXIT_USAGE
    except OSError as error:
        logger.critical("%s", cannot_serve(settings, error))
        return EXIT_FAILED


def cannot_serve(settings: Settings, error: OSError) -> str:
    """What to tell of an address that can't be had, or of a folder that can't be written: only that has a name."""
    if error.filename is not None:
        return f"can't write {error.filename}: {error.strerror} (--data-dir chooses another folder)"
    where = f"{settings.feed_host}:{settings.ports.feed}"
    return f"can't listen on {where}: {error.strerror} (--port-base chooses others)"


def _serve(settings: Settings, feed: FeedServer, tell: Callable[[str], object] = logger.info) -> int:
    with feed.listen(settings.listen_host("feed_host"), settings.ports.feed) as server:
        on_termination(server.shutdown)
        beat = Heartbeat(settings.paths.heartbeat(NAME), NAME, lambda: detail(settings.active_feed, feed)).start()
        what = settings.replay_file if settings.active_feed == "replay" else "the simulator"
        tell(f"serving {what} on {settings.ws_url}")
        try:
            server.serve_forever()
        finally:
            beat.stop()
    return 0


def serve_in_foreground(settings: Settings, tell: Callable[[str], object], every_s: float = 1.0) -> None:
    """Serve for a person at a terminal until interrupted, telling how far it is when that changes.

    Raises:
        AlreadyRunning: a feed-server runs on this data dir.
        RecordingError: the recording can't be played.
        OSError: the address can't be had.
    """
    player = player_for(settings)  # before anything is written: it may have nothing to play
    with ProcessLock(settings.paths.lock(NAME)):
        feed = FeedServer(player)
        over = threading.Event()
        threading.Thread(target=_tell_progress, args=(feed, tell, over, every_s), daemon=True).start()
        try:
            _serve(settings, feed, tell)
        finally:
            over.set()


def _tell_progress(feed: FeedServer, tell: Callable[[str], object], over: threading.Event, every_s: float) -> None:
    last = ""
    while not over.wait(every_s):
        played = feed.player.played
        text = (
            f"{played.messages:,} messages, {played.trades:,} trades sent" if feed.clients else "waiting for a client"
        )
        text += "; all is played" if played.finished else ""
        if text != last:
            tell(text)
        last = text


if __name__ == "__main__":
    sys.exit(main())
