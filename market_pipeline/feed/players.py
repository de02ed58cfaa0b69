"""What the local feed plays to a client: the simulator, live, or a recording, from where the client left off."""

import json
import logging
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from market_pipeline.feed.elements import original_elements
from market_pipeline.feed.recorded import resume_frame
from market_pipeline.feed.recording import symbols_in
from market_pipeline.feed.replay import Due, Replay
from market_pipeline.feed.simulator import Simulator

logger = logging.getLogger(__name__)
SETTLED_S = 1.0
"""A client that subscribed to something and then to nothing more for so long has all it wants."""
_BEHIND_MS = 5_000
_VALID_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9._\-]*( [A-Z0-9]+)?(:[A-Za-z0-9][A-Za-z0-9._\-/]*)?")


@dataclass
class Played:
    """What was sent since the start; ``finished`` when a recording that is played once is over."""

    messages: int = 0
    trades: int = 0
    finished: bool = False


@dataclass
class Client:
    """A connected client.

    Attributes:
        send: sends a message as text; raises when the client is gone.
        symbols: what it subscribed to.
        subscribed_at: when it last subscribed, monotonic seconds.
        resume: what it told about the replay that it already has; None when it told nothing.
        gone: set when the connection is over.
    """

    send: Callable[[bytes], None]
    symbols: frozenset[str] = frozenset()
    subscribed_at: float = 0.0
    resume: dict[str, Any] | None = None
    gone: threading.Event = field(default_factory=threading.Event)

    def wait_until(self, moment: float) -> bool:
        """Wait until ``moment`` (monotonic seconds); False when the client is gone."""
        return not self.gone.wait(max(0.0, moment - time.monotonic()))


class Player(Protocol):
    """Plays to one client at a time."""

    played: Played

    def knows(self, symbol: str) -> bool:
        """Whether the symbol can be subscribed."""

    def play(self, client: Client) -> None:
        """Send until the client is gone or all is played."""


class SimulatorPlayer:
    """The simulator, from now on and in real time, for whatever the client subscribes to.

    Args:
        rate: trades a second.
        seed: of chance.
    """

    def __init__(self, rate: float, seed: int) -> None:
        self.played = Played()
        self._rate = rate
        self._seed = seed

    def knows(self, symbol: str) -> bool:
        return _VALID_SYMBOL.fullmatch(symbol) is not None

    def play(self, client: Client) -> None:
        simulator, listening = Simulator(self._rate, self._seed, _now_ms()), frozenset[str]()
        while not client.gone.is_set():
            if client.symbols != listening:
                listening = client.symbols
                simulator.listen(listening)
            batch = simulator.step()
            ahead_ms = batch.at_ms - _now_ms()
            if ahead_ms > 0 and client.gone.wait(ahead_ms / 1000):
                return
            if ahead_ms < -_BEHIND_MS:
                logger.warning(
                    "the client reads too slowly, or this machine is too busy: %d s skipped", -ahead_ms // 1000
                )
                simulator.skip_to(_now_ms())
                continue
            for message in batch.messages:
                client.send(message)
                self.played.messages += 1
            self.played.trades += batch.trades


class ReplayPlayer:
    """A recording. Starts when the client has subscribed, and loses and repeats nothing when it comes back.

    Args:
        file: the recording.
        speed: times real time; 0: as fast as it is taken.
        once: end after the last message instead of starting over.

    Raises:
        RecordingError: it can't be played.
    """

    def __init__(self, file: Path | None, speed: float, once: bool) -> None:
        self.played = Played()
        self.symbols = frozenset(symbols_in(file))
        self._run = secrets.token_hex(4)
        self._replay = Replay(file, speed, once, self._run)
        self._next = 0

    def knows(self, symbol: str) -> bool:
        return symbol in self.symbols

    def play(self, client: Client) -> None:
        while not self.symbols <= client.symbols and not self._settled(client):
            if not client.wait_until(time.monotonic() + 0.02):
                return
        begin = self._next if client.resume is None else resume_frame(client.resume, self._run) or 0
        logger.info("replay from message %d on", begin)
        started = time.monotonic()
        for due in self._replay.due(begin):
            if due.after_s and not client.wait_until(started + due.after_s):
                return
            payload, trades = _wanted(due, self.symbols - client.symbols)
            if payload:
                client.send(payload)
                self.played.messages += 1
                self.played.trades += trades
            self._next = due.frame + 1
        self.played.finished = True
        logger.info("replay: all is played")

    def _settled(self, client: Client) -> bool:
        return bool(client.symbols) and time.monotonic() - client.subscribed_at > SETTLED_S


def _wanted(due: Due, unwanted: frozenset[str]) -> tuple[bytes, int]:
    """The message without what could be subscribed and was not, and its trades; empty when nothing is left of it."""
    if not due.symbols & unwanted:
        return due.payload, due.trades
    if due.symbols <= unwanted:
        return b"", 0
    try:
        elements = [e for e in original_elements(due.payload) if _symbol_of(e) not in unwanted]
    except RecursionError:  # nobody wants it, and the producer says why
        return due.payload, due.trades
    mark = due.payload[due.payload.rindex(b',"replay":') :]
    return b'{"type":"trade","data":[' + b",".join(elements) + b"]" + mark, len(elements)


def _symbol_of(element: bytes) -> object:
    parsed = json.loads(element)
    return symbol if isinstance(parsed, dict) and isinstance(symbol := parsed.get("s"), str) else None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
