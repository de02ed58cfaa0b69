"""From a frame to trades: pure, and the same wherever trades are counted, produced or compared.

Frames look like ``{"type":"trade","data":[{"s","p","t","v","c"}, …]}``: symbol, price, epoch milliseconds, volume and
condition codes (absent or null when there are none). One message mixes symbols, and its times may run backwards.
Every element stands alone: one that isn't a trade becomes a dead letter and costs no other.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from market_pipeline.feed.elements import original_elements
from market_pipeline.feed.journal.frame import Frame
from market_pipeline.feed.limits import MAX_MESSAGE_BYTES, MAX_NESTING, cut_of, is_nested_too_deep
from market_pipeline.feed.recorded import identity_time
from market_pipeline.feed.subscribed import Subscribed
from market_pipeline.model import (
    MAX_SEQ,
    RejectedTrade,
    Rejection,
    Trade,
    check_conditions,
    check_price,
    check_symbol,
    check_ts,
    check_volume,
    parse_json,
    trade_id,
)

MAX_ELEMENTS = 100_000
"""What the fixed width of ``trade_id`` can tell apart within a frame."""
ANYTHING = Subscribed()
WHOLE_FRAME = -1
"""The index of a dead letter that is a whole frame."""
_SYMBOLS_REMEMBERED = 1024
_MILLISECONDS_REMEMBERED = 512


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Something received that is not a trade.

    Attributes:
        reason: for counting.
        detail: for a person.
        value: the original bytes, of the element or of the whole frame.
        received_at: the frame's receive time, epoch microseconds.
        index: the element's place in the frame, ``WHOLE_FRAME`` for a frame.
    """

    reason: Rejection
    detail: str
    value: bytes
    received_at: int
    index: int


class Sequence:
    """Counts the trades of a symbol within one millisecond, as ``latest_prices`` needs it to order them.

    It remembers the milliseconds touched last, so many of each symbol and so many symbols: memory is bounded, and what
    a few minutes of the journal hold is enough to go on after a restart as if there had been none.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[str, OrderedDict[int, int]] = OrderedDict()

    def next(self, symbol: str, ts: int) -> int:
        """How many trades of ``symbol`` at ``ts`` were asked for before, at most ``MAX_SEQ``."""
        milliseconds = self._seen.get(symbol)
        if milliseconds is None:
            milliseconds = self._seen[symbol] = OrderedDict()
            if len(self._seen) > _SYMBOLS_REMEMBERED:
                self._seen.popitem(last=False)
        else:
            self._seen.move_to_end(symbol)
        seq = milliseconds.pop(ts, -1) + 1
        milliseconds[ts] = seq
        if len(milliseconds) > _MILLISECONDS_REMEMBERED:
            milliseconds.popitem(last=False)
        return min(seq, MAX_SEQ)


class Normaliser:
    """Turns frames, given in order of receipt, into trades and dead letters, and counts them.

    Args:
        source: the feed, for frames that don't tell it themselves.
        subscribed: what may be received; by default anything.

    Attributes:
        rejected: dead letters by reason.
        trades: trades and price updates together.
        price_updates: those with volume 0.
        oldest_ts, newest_ts: oldest and newest event time, epoch milliseconds; None before the first trade.
    """

    def __init__(self, source: str, subscribed: Subscribed = ANYTHING) -> None:
        self.rejected: Counter[str] = Counter()
        self.trades = 0
        self.price_updates = 0
        self.oldest_ts: int | None = None
        self.newest_ts: int | None = None
        self._source = source
        self._subscribed = subscribed
        self._sequence = Sequence()

    def items(self, frame: Frame) -> list[Trade | DeadLetter]:
        """What a frame holds, in order; never raises, whatever the bytes are."""
        if (cut := cut_of(frame.payload)) is not None:
            detail = f"a message of {cut.size} bytes, more than {MAX_MESSAGE_BYTES}: this is its beginning"
            return [self._whole(RejectedTrade(Rejection.TOO_LARGE, detail), cut.beginning, frame)]
        try:
            message = parse_json(frame.payload)
            if not isinstance(message, dict):
                raise RejectedTrade(Rejection.NOT_AN_OBJECT, f"the frame is a {type(message).__name__}")
            if is_nested_too_deep(message):  # here, and not where the stack happens to end
                raise RejectedTrade(Rejection.MALFORMED_JSON, f"more than {MAX_NESTING} levels of lists and objects")
            if message.get("type") != "trade":
                return []
            data = message.get("data")
            if data is not None and not isinstance(data, list):
                raise RejectedTrade(Rejection.WRONG_TYPE, f"data is a {type(data).__name__}, not a list")
        except RejectedTrade as rejected:
            return [self._whole(rejected, frame.payload, frame)]
        return self._elements(frame, message, data or [])

    def remember(self, frames: Iterable[Frame]) -> None:
        """Count within milliseconds as if just these frames had been given before; nothing else is counted."""
        earlier = Normaliser(self._source, self._subscribed)
        for frame in frames:
            earlier.items(frame)
        self._sequence = earlier._sequence

    @property
    def clock_is_slow(self) -> bool:
        """Whether trades come from the future, and hardly any from the present: more than one vendor's slip."""
        return self.rejected[Rejection.IN_THE_FUTURE] >= max(10, self.trades)

    def _whole(self, rejected: RejectedTrade, value: bytes, frame: Frame) -> DeadLetter:
        self.rejected[rejected.reason] += 1
        return DeadLetter(rejected.reason, rejected.detail, value, frame.received_at, WHOLE_FRAME)

    def _elements(self, frame: Frame, message: dict[str, Any], data: list[Any]) -> list[Trade | DeadLetter]:
        source = frame.source or self._source
        identity = identity_time(message, source, frame.received_at)
        items: list[Trade | DeadLetter] = []
        originals: list[bytes] | None = None
        for index, element in enumerate(data[:MAX_ELEMENTS]):
            try:
                items.append(self._trade(element, frame.received_at, source, trade_id(identity, index)))
            except RejectedTrade as rejected:
                self.rejected[rejected.reason] += 1
                originals = original_elements(frame.payload) if originals is None else originals
                items.append(
                    DeadLetter(rejected.reason, rejected.detail, originals[index], frame.received_at, index)
                )  # fmt: skip
        if len(data) > MAX_ELEMENTS:
            self.rejected[Rejection.TOO_LARGE] += 1
            rest = b",".join((original_elements(frame.payload) if originals is None else originals)[MAX_ELEMENTS:])
            detail = f"{len(data)} elements in a frame: these are beyond the first {MAX_ELEMENTS}"
            items.append(DeadLetter(Rejection.TOO_LARGE, detail, rest, frame.received_at, MAX_ELEMENTS))
        return items

    def _trade(self, element: Any, received_at: int, source: str, identity: str) -> Trade:
        if not isinstance(element, dict):
            raise RejectedTrade(Rejection.NOT_AN_OBJECT, f"the element is a {type(element).__name__}")
        get = element.get
        symbol, ts = check_symbol(get("s")), check_ts(get("t"), received_at)
        if not self._subscribed.has(symbol, received_at):
            raise RejectedTrade(Rejection.NOT_SUBSCRIBED, f"nobody subscribed {symbol:.40}")
        price, volume = check_price(get("p")), check_volume(get("v"))
        conditions = check_conditions(get("c"))
        self.trades += 1
        self.price_updates += not volume
        if self.oldest_ts is None or ts < self.oldest_ts:
            self.oldest_ts = ts
        if self.newest_ts is None or ts > self.newest_ts:
            self.newest_ts = ts
        seq = self._sequence.next(symbol, ts)
        return Trade(symbol, price, volume, ts, identity, seq, source, received_at, conditions)


def trades_of(frames: Iterable[Frame], source: str, subscribed: Subscribed = ANYTHING) -> Iterator[Trade | DeadLetter]:
    """What a stretch of the journal holds, by the very code that the producer uses.

    Args:
        frames: in order of receipt.
        source: the feed, for frames that don't tell it themselves.
        subscribed: what may be received; of a journal what ``load_subscribed`` finds beside it.
    """
    normaliser = Normaliser(source, subscribed)
    for frame in frames:
        yield from normaliser.items(frame)
