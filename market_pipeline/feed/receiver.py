"""Owns the socket: reads, appends to the journal, and only then looks at what came. One connection at a time."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol as Interface

from market_pipeline.feed.backoff import Backoff
from market_pipeline.feed.disconnect import Disconnected, Reason
from market_pipeline.feed.finnhub import (
    ErrorSeen,
    Event,
    Liveness,
    MessageTooLarge,
    PlanLimitReached,
    Protocol,
    SymbolRejected,
    TradesSeen,
)
from market_pipeline.feed.gap_recorder import GapRecorder
from market_pipeline.feed.gaps import Gap
from market_pipeline.feed.journal import Journal, JournalFull
from market_pipeline.feed.journal.retention import free_oldest
from market_pipeline.feed.limits import MAX_MESSAGE_BYTES
from market_pipeline.feed.recorded import resume_message

logger = logging.getLogger(__name__)
INSTANT_S = 5.0
"""A connection that ends this soon, without a trade, was not wanted: the vendor allows one a key and closes both."""
_GOODBYE_S = 1.0
_DISK_RETRY_S = 1.0


class Socket(Interface):
    """What the receiver needs of ``transport.Connection``."""

    def receive(self) -> bytes | None: ...
    def send(self, text: str) -> None: ...
    def say_goodbye(self) -> None: ...
    def close(self) -> None: ...


@dataclass
class ReceiverState:
    """For the heartbeat. Times are epoch seconds. A ping is received too, and is no trade."""

    connected_since: float | None = None
    last_received_at: float | None = None
    last_trade_at: float | None = None
    frames: int = 0
    reconnects: int = 0
    last_disconnect: dict[str, object] | None = None
    journal_error: str | None = None
    errors: dict[str, float] = field(default_factory=dict)


class KeyRefused(Exception):
    """The server does not accept the key: trying again would change nothing."""


class Receiver:
    """Keeps the feed connected until stopped.

    Args:
        connect: opens a connection or raises ``Disconnected``.
        protocol: of the feed.
        journal: where every message goes first.
        gaps: takes down-times.
        backoff: between tries.
        replaying: tell the server where the journal ends, so that a replay goes on from there.
    """

    def __init__(
        self,
        connect: Callable[[], Socket],
        protocol: Protocol,
        journal: Journal,
        gaps: GapRecorder,
        backoff: Backoff,
        *,
        replaying: bool = False,
    ) -> None:
        self.state = ReceiverState()
        self.protocol = protocol
        self._connect = connect
        self._journal = journal
        self._gaps = gaps
        self._backoff = backoff
        self._replaying = replaying
        self._had_trade = False
        self._heard_us: int | None = None
        """When this connection was opened, or last brought a message; None before the first one."""
        self._silent_since_us = 0
        """Since when it brings no trade although a market is busy, as far as is known."""

    def run(self, stopped: threading.Event) -> None:
        """Connect, read, and connect again, until stopped.

        Raises:
            KeyRefused: the server answered 401 or 403.
            OSError: the journal's disk is broken.
        """
        if self._journal.last_frame is not None:
            self._down(self._journal.last_frame.received_at, Reason.PRODUCER_DOWN)
        while not stopped.is_set():
            failure = self._one_connection(stopped)
            if failure is None or stopped.is_set():
                break
            if failure.reason is Reason.REFUSED:
                raise KeyRefused(f"the feed refused the key ({failure.detail}): check FINNHUB_API_KEY")
            wait = self._backoff.next(failure.retry_after_s)
            logger.warning("feed: %s; next try in %.1f s", failure, wait)
            stopped.wait(wait)

    def _one_connection(self, stopped: threading.Event) -> Disconnected | None:
        """One connection from its opening to its end; None when it ended because we were told to stop."""
        opened = time.monotonic()
        self._had_trade = False
        try:
            socket = self._connect()
        except Disconnected as failure:
            self._note_failure(failure)
            return failure
        try:
            opened = time.monotonic()
            self._open(socket, opened)
            self._read(socket, stopped)
            return None
        except Disconnected as failure:
            if stopped.is_set():  # whoever was quicker: it is our stop
                return None
            if failure.reason is Reason.CLOSED and not self._had_trade and time.monotonic() - opened < INSTANT_S:
                failure = Disconnected(Reason.KEY_IN_USE, f"closed {time.monotonic() - opened:.1f} s after connecting")
            self._note_failure(failure)
            return failure
        finally:
            socket.close()
            self._closed(stopped)

    def _open(self, socket: Socket, now: float) -> None:
        self.protocol.connected(now)
        if self._replaying:
            socket.send(resume_message(self.protocol.mark))
        for message in self.protocol.outgoing(now):
            socket.send(message)
        self.state.connected_since = time.time()
        self._heard_us = self._silent_since_us = time.time_ns() // 1000
        self._gaps.up(self._heard_us, self.protocol.symbols)
        logger.info("feed: connected, subscribing to %d symbols", len(self.protocol.symbols))

    def _read(self, socket: Socket, stopped: threading.Event) -> None:
        next_look = 0.0
        while not stopped.is_set():
            payload = socket.receive()
            now = time.monotonic()
            if payload is not None:
                self._take(payload, now, stopped)
            if payload is None or now >= next_look:
                next_look = now + 0.25
                for message in self.protocol.outgoing(now):
                    socket.send(message)
                self._check(self.protocol.liveness(now))
        self._read_what_was_sent(socket, stopped)

    def _read_what_was_sent(self, socket: Socket, stopped: threading.Event) -> None:
        """Say goodbye and keep what was on its way until the server has closed too."""
        deadline = time.monotonic() + _GOODBYE_S
        try:
            socket.say_goodbye()
            while time.monotonic() < deadline:
                payload = socket.receive()
                if payload is not None:
                    self._take(payload, time.monotonic(), stopped)
        except Disconnected:
            return

    def _take(self, payload: bytes, now: float, stopped: threading.Event) -> None:
        received_at = self._heard_us = self._append(payload, stopped)
        self.state.frames += 1
        self.state.last_received_at = received_at / 1e6
        for event in self.protocol.message(payload, now):
            self._react(event, received_at, now)

    def _append(self, payload: bytes, stopped: threading.Event) -> int:
        """Append; on a full disk make room at the cost of what is delivered.

        Where there is nothing to delete, keep the message in hand and read nothing more until there is room.
        """
        while True:
            try:
                received_at = self._journal.append(payload).received_at
            except JournalFull as error:
                if error.disk_full and free_oldest(self._journal.directory, self._journal.confirmed):
                    continue
                if self.state.journal_error is None:
                    logger.error("feed: reading stops, no room for the journal (%s): free disk space", error)
                    self._down(time.time_ns() // 1000, Reason.JOURNAL_FULL)
                self.state.journal_error = str(error)
                if stopped.wait(_DISK_RETRY_S):
                    time.sleep(_DISK_RETRY_S)
            else:
                if self.state.journal_error is not None:
                    logger.warning("feed: there is room for the journal again, reading goes on")
                    self.state.journal_error = None
                    self._gaps.up(time.time_ns() // 1000, self.protocol.symbols)
                return received_at

    def _react(self, event: Event, received_at: int, now: float) -> None:
        match event:
            case TradesSeen(first_of=symbols):
                self._had_trade = True
                self._silent_since_us = received_at
                self.state.last_trade_at = received_at / 1e6
                self._backoff.reset()
                if symbols:
                    logger.info("feed: first trade of %s", ", ".join(symbols))
            case SymbolRejected(symbols=symbols, message=text, retry_in_s=wait):
                logger.warning("feed: %s rejected (%s); asked for again in %.0f s", ", ".join(symbols[:10]), text, wait)
            case PlanLimitReached(message=text):
                count = len(self.protocol.symbols)
                hint = "subscribe fewer, or set MARKET_PIPELINE_SYMBOL_LIMIT to what the plan allows"
                self._warn(text, now, f"feed: the plan allows fewer than {count} symbols ({text}): {hint}")
            case MessageTooLarge(size=size):
                line = "a message of more than %d bytes (%d): its beginning is a dead letter, the rest is dropped"
                self._warn("too large", now, "feed: " + line % (MAX_MESSAGE_BYTES, size))
            case ErrorSeen(message=text):
                self._warn(text, now, f"feed: the server says: {text}")

    def _warn(self, error: str, now: float, line: str) -> None:
        """Log an error of the server's, the same one at most once a minute."""
        if now - self.state.errors.get(error, -60.0) >= 60.0:
            self.state.errors = {error: now}
            logger.warning("%s", line)

    def _check(self, liveness: Liveness) -> None:
        match liveness:
            case Liveness.UNTRADED:
                self._silent_since_us = time.time_ns() // 1000
            case Liveness.RESUBSCRIBE:
                logger.warning("feed: no trade though a market is open: subscribing again")
            case Liveness.MUTE:
                raise Disconnected(Reason.MUTE, "subscribing again brought no trade")
            case Liveness.DEAD:
                raise Disconnected(Reason.DEAD, "half-open connection")

    def _note_failure(self, failure: Disconnected) -> None:
        now = time.time()
        self.state.reconnects += self._heard_us is not None  # whoever was never connected connects, and not again
        self.state.last_disconnect = {"reason": str(failure.reason), "detail": failure.detail, "at": now}
        # however a connection ends: since when nothing came over it, only its last message tells
        heard = self._silent_since_us if failure.reason is Reason.MUTE else self._heard_us
        self._down(heard or int(now * 1e6), failure.reason)

    def _closed(self, stopped: threading.Event) -> None:
        self.state.connected_since = None
        if stopped.is_set():
            self._down(time.time_ns() // 1000, Reason.STOPPED)

    def _down(self, started_at: int, reason: Reason) -> None:
        self._gaps.down(Gap(started_at, str(reason), self.protocol.symbols))
