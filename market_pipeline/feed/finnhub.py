"""Finnhub's websocket protocol: messages in, events and messages out. No socket, no sleep, no clock of its own.

Facts are the vendor's (its API description) or its users' (issues of finnhubio/Finnhub-API, by number):
subscriptions are one symbol a message and are not acknowledged, so the first trade is their proof; ``{"type":"ping"}``
comes about every 60 s (#36); a server may send only pings for hours (#65, #109, #154); errors are
``{"type":"error","msg":"Invalid symbol X"}``, where X may hold spaces and be in capitals though it was asked for in
small letters, once without the symbol (#20), and once for valid symbols (#472); and ``Subscribing to too many
symbols``, which says no more than that the plan allows fewer.
"""

import json
import re
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from market_pipeline.feed.limits import cut_of
from market_pipeline.feed.recorded import Mark, mark_of

DEAD_AFTER_S = 130.0
"""More than two ping intervals without a message of any kind."""
MUTE_CAP_S = 3600.0
"""A feed that is mute for longer is reconnected this often, not more often: it may just be quiet."""
SUBSCRIBE_PER_S = 50.0
RETRY_FIRST_S = 30.0
RETRY_CAP_S = 300.0
_MOST_DOUBLINGS = 30
"""Every cap is reached long before, and a float overflows at 1,024."""
_RECENT_S = 10.0
_ERROR_CHARACTERS = 1_200
"""Of an error's text: a symbol's longest name, and what stands before it."""
_TYPES_TOLD = 20
_FRAMES_COMPARED = 256
_INVALID = re.compile(r"invalid symbol\b:?(.*)", re.IGNORECASE | re.DOTALL)
_BEYOND_THE_PLAN = re.compile(r"too many symbols", re.IGNORECASE)


@dataclass(frozen=True)
class TradesSeen:
    """A trade message with ``count`` elements; ``first_of`` are the subscriptions that it proves."""

    count: int
    first_of: tuple[str, ...] = ()


@dataclass(frozen=True)
class SymbolRejected:
    """The vendor calls symbols invalid; they are asked for again after seconds, and never dropped for good."""

    symbols: tuple[str, ...]
    message: str
    retry_in_s: float


@dataclass(frozen=True)
class PlanLimitReached:
    """The vendor's plan allows fewer symbols than were asked for; which of them it serves, the vendor does not say."""

    message: str


@dataclass(frozen=True)
class MessageTooLarge:
    """A message of ``size`` bytes, of which only the beginning was kept."""

    size: int


@dataclass(frozen=True)
class ErrorSeen:
    """An error message that is not about a symbol."""

    message: str


class Liveness(Enum):
    """What to do about the connection."""

    FINE = auto()
    UNTRADED = auto()
    """Fine: no market is busy, so that silence is what it should be."""
    RESUBSCRIBE = auto()
    MUTE = auto()
    DEAD = auto()


@dataclass
class _Subscription:
    sent_at: float | None = None
    proven: bool = False
    refused: int = 0
    retry_at: float | None = None
    rejected: str | None = None
    """What the vendor said, while its last word on the symbol is that it is invalid."""


Event = TradesSeen | SymbolRejected | PlanLimitReached | MessageTooLarge | ErrorSeen


class Protocol:
    """One feed over many connections. Times are seconds of one monotonic clock, which the caller reads.

    Args:
        symbols: those wanted, in order of importance.
        limit: how many of them the plan allows.
        mute_after_s: no trade of any symbol for so long, while a market is busy, is a fault.
        market_busy: whether trades of a symbol are to be expected now.

    Attributes:
        symbols: what is subscribed.
        left_out: what is beyond the limit.
        kinds: messages by type, unknown types by name (a few; then ``other``).
        repeated: trade messages equal, byte for byte, to one shortly before (the vendor once sent all three times).
        received: elements of trade messages.
        mark: where the last replayed message stood.
        plan_limit: what the vendor said when the plan allowed no more symbols on this connection; else None.
    """

    def __init__(
        self, symbols: Sequence[str], limit: int, mute_after_s: float, market_busy: Callable[[str], bool]
    ) -> None:
        self.symbols, self.left_out = tuple(symbols[:limit]), tuple(symbols[limit:])
        self.kinds: Counter[str] = Counter()
        self.repeated = 0
        self.received = 0
        self.mark: Mark | None = None
        self.plan_limit: str | None = None
        self._mute_after_s = mute_after_s
        self._market_busy = market_busy
        self._subscriptions: dict[str, _Subscription] = {}
        self._due: deque[str] = deque()
        self._next_send_at = 0.0
        self._last_message_at = 0.0
        self._quiet_since = 0.0
        self._resubscribed = False
        self._mute_reconnects = 0
        self._recent_frames: deque[int] = deque(maxlen=_FRAMES_COMPARED)

    @property
    def seen(self) -> set[str]:
        """Symbols proven since the last connect."""
        return {symbol for symbol, subscription in self._subscriptions.items() if subscription.proven}

    @property
    def unseen(self) -> list[str]:
        """Subscribed since the last connect, but no trade came yet."""
        seen = self.seen
        return [symbol for symbol in self.symbols if symbol not in seen]

    @property
    def rejected_symbols(self) -> dict[str, str]:
        """The symbols that the vendor calls invalid, each with what it said."""
        return {symbol: each.rejected for symbol, each in self._subscriptions.items() if each.rejected is not None}

    def connected(self, now: float) -> None:
        """A new connection is open: nothing is subscribed on it, nothing proven."""
        rejected = self.rejected_symbols  # the last word on them until they are asked for again
        self._subscriptions = {symbol: _Subscription(rejected=rejected.get(symbol)) for symbol in self.symbols}
        self.plan_limit = None
        self._due = deque(self.symbols)
        self._next_send_at = self._last_message_at = self._quiet_since = now
        self._resubscribed = False

    def outgoing(self, now: float) -> list[str]:
        """The messages to send now: subscriptions, paced, and another try for refused symbols whose time has come."""
        for symbol, subscription in self._subscriptions.items():
            if subscription.retry_at is not None and now >= subscription.retry_at:
                subscription.retry_at = subscription.sent_at = None
                self._due.append(symbol)
            waited = subscription.retry_at is None and subscription.sent_at is not None
            if waited and now - (subscription.sent_at or 0.0) > _RECENT_S:
                subscription.rejected = None  # asked for again, and not rejected again
        messages = []
        while self._due and now >= self._next_send_at:
            symbol = self._due.popleft()
            self._subscriptions[symbol].sent_at = now
            self._next_send_at = max(self._next_send_at, now - 1.0) + 1 / SUBSCRIBE_PER_S
            messages.append(json.dumps({"type": "subscribe", "symbol": symbol}))
        return messages

    def message(self, payload: bytes, now: float) -> list[Event]:
        """Take in a message, whatever its bytes are."""
        self._last_message_at = now
        if (cut := cut_of(payload)) is not None:
            self._count("too_large")
            return [MessageTooLarge(cut.size)]
        try:
            message = json.loads(payload)
        except (ValueError, RecursionError):
            self._count("malformed")
            return []
        kind = message.get("type") if isinstance(message, dict) else None
        if kind == "trade":
            return self._trades(message, payload, now)
        self._count(kind if isinstance(kind, str) else "untyped")
        return [self._error(message, now)] if kind == "error" else []

    def liveness(self, now: float) -> Liveness:
        """What the silence means. One symbol's silence means nothing, nor any while no market is busy."""
        if now - self._last_message_at > DEAD_AFTER_S:
            return Liveness.DEAD
        quiet_s = now - self._quiet_since
        limit = min(MUTE_CAP_S, self._mute_after_s * 2.0 ** min(self._mute_reconnects, _MOST_DOUBLINGS))
        if quiet_s < min(limit, self._mute_after_s) / 10:
            return Liveness.FINE
        if not any(self._market_busy(symbol) for symbol in self.symbols):
            self._quiet_since = now
            return Liveness.UNTRADED
        if quiet_s < limit:
            return Liveness.FINE
        if not self._resubscribed:
            self._resubscribed = True
            self._quiet_since = now
            self._due = deque(self.symbols)
            return Liveness.RESUBSCRIBE
        self._mute_reconnects += 1
        return Liveness.MUTE

    def _trades(self, message: dict[str, Any], payload: bytes, now: float) -> list[Event]:
        data = message.get("data")
        if not isinstance(data, list) or not data:
            self._count("empty")
            return []
        self.kinds["trade"] += 1
        self.received += len(data)
        fingerprint = hash(payload)
        self.repeated += fingerprint in self._recent_frames
        self._recent_frames.append(fingerprint)
        self.mark = mark_of(message) or self.mark
        elements = (element for element in data if isinstance(element, dict))
        symbols = {symbol for element in elements if isinstance(symbol := element.get("s"), str)}
        first_of = []
        for symbol in symbols:
            subscription = self._subscriptions.get(symbol)
            if subscription is not None and not subscription.proven:
                subscription.proven, subscription.refused, subscription.retry_at = True, 0, None
                subscription.rejected = None
                first_of.append(symbol)
        self._quiet_since = now
        self._resubscribed = False
        self._mute_reconnects = 0
        return [TradesSeen(len(data), tuple(sorted(first_of)))]

    def _error(self, message: dict[str, Any], now: float) -> Event:
        text = str(message.get("msg", ""))[:_ERROR_CHARACTERS]
        if _BEYOND_THE_PLAN.search(text):
            self.plan_limit = text
            return PlanLimitReached(text)
        symbols = self._rejected_symbols(text, now)
        if not symbols:
            return ErrorSeen(text)
        for symbol in symbols:
            subscription = self._subscriptions[symbol]
            wait = min(RETRY_CAP_S, RETRY_FIRST_S * 2.0 ** min(subscription.refused, _MOST_DOUBLINGS))
            subscription.refused += 1
            subscription.retry_at = now + wait
            subscription.rejected = text
        return SymbolRejected(symbols, text, wait)

    def _rejected_symbols(self, text: str, now: float) -> tuple[str, ...]:
        """The symbols an error is about: the one it names, else the unproven ones that were asked for just before."""
        error = _INVALID.search(text)
        if error is None:
            return ()
        name = error[1].strip()
        if name:
            return self._named(name) or self._named(name.strip("\"'.,"))
        return tuple(
            symbol
            for symbol, subscription in self._subscriptions.items()
            if subscription.sent_at is not None
            and now - subscription.sent_at <= _RECENT_S
            and not subscription.proven
            and subscription.retry_at is None
        )

    def _named(self, name: str) -> tuple[str, ...]:
        """Our symbols of that name: the one that is written like it, else those that differ in capitals only."""
        if name in self._subscriptions:
            return (name,)
        return tuple(symbol for symbol in self._subscriptions if symbol.casefold() == name.casefold())

    def _count(self, kind: str) -> None:
        name = kind[:40]
        self.kinds[name if name in self.kinds or len(self.kinds) < _TYPES_TOLD else "other"] += 1
