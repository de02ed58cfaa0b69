"""Which trades of a second source we lack. Pure.

**Identity.** The vendor numbers nothing, and a ``trade_id`` is made of its own listener's receive time: so whether we
have a trade of another listener's is told by its content alone, symbol, event time, price, volume and conditions. Equal
trades within a millisecond are real and each counts: where the second source has n of a content and we heard h, n - h
are missing, neither more nor less. Event time is a part of the content, so that a count is exact whichever stretch of
time it is taken over.

**Edges.** A gap is told in our receive times, another listener receives the same trade a little sooner or later. So a
gap is widened by ``EDGE_US`` at both ends, and what lies there is compared like all else: what we heard at the edge is
counted among h, what we missed there is missing. A trade can be filled in only where both its event time and the second
source's receive time are within the widened gap: an old trade that the vendor tells once more to who subscribes is not
filled in. Where the other's clock differs by more than the edge, trades at the gap's ends stay missing, and none is
doubled.

**Recordings.** Two recordings of a second source may be of two listeners, or tell the same stretch twice. They are not
added up: of each content the one that has the most of it counts.

**Again.** A filled trade keeps its listener's receive time; its ``trade_id`` comes from that and its place in the
frame, with a mark (``model.FILLED``) that tells it from all that we received ourselves. What was filled before is known
by that id and counts by its content: filling again finds nothing missing, with the same recordings or others.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from market_pipeline.model import MAX_SEQ, Trade, filled_id, is_filled

EDGE_US = 5_000_000
"""How far apart two listeners receive the same trade at most, and how long a trade takes to be received."""


class Content(NamedTuple):
    """What a trade is, whoever received it. 1.50 and 1.5 are the same price; ``ts`` is epoch milliseconds."""

    symbol: str
    ts: int
    price: Decimal
    volume: Decimal
    conditions: tuple[str, ...]


class Span(NamedTuple):
    """A stretch of time, [start, end), epoch microseconds."""

    start: int
    end: int

    def has(self, at_us: int) -> bool:
        return self.start <= at_us < self.end


Spans = Mapping[str, Sequence[Span]]
"""By symbol, widened gaps that don't overlap, in order."""


def content(trade: Trade) -> Content:
    """What the trade is."""
    return Content(trade.symbol, trade.ts, trade.price, trade.volume, trade.conditions)


def widened(gaps: Iterable[tuple[str, int, int]]) -> dict[str, list[Span]]:
    """Symbol, start and end (epoch µs) of gaps as ``Spans``; those that touch once they are widened are one."""
    spans: dict[str, list[Span]] = {}
    for symbol, start, end in sorted(gaps):
        known = spans.setdefault(symbol, [])
        span = Span(start - EDGE_US, end + EDGE_US)
        if known and span.start <= known[-1].end:
            known[-1] = Span(known[-1].start, max(known[-1].end, span.end))
        else:
            known.append(span)
    return spans


def span_of(spans: Spans, symbol: str, ts: int) -> Span | None:
    """The widened gap of the symbol that an event time (epoch ms) lies in."""
    return next((span for span in spans.get(symbol, ()) if span.has(ts * 1000)), None)


def missing(spans: Spans, recordings: Iterable[Iterable[Trade]], held: Mapping[str, Content]) -> list[Trade]:
    """The trades to fill in, as they are sent, in order of their ids; see the module for the rule.

    Args:
        spans: the widened gaps.
        recordings: of each what it has of the spans by event time, in order of receipt.
        held: by ``trade_id`` what we have of the spans by event time: heard or filled before.
    """
    heard = Counter(c for identity, c in held.items() if not is_filled(identity))
    filled = Counter(c for identity, c in held.items() if is_filled(identity))
    heard_at = Counter((c.symbol, c.ts) for identity, c in held.items() if not is_filled(identity))
    found: list[Trade] = []
    for which, trades in _fullest(recordings).items():
        span = span_of(spans, which.symbol, which.ts)
        receivable = [trade for trade in trades if span is not None and span.has(trade.received_at)]
        lacking = min(len(receivable), len(trades) - heard[which]) - filled[which]
        new = [trade for trade in receivable if filled_id(trade.trade_id) not in held]
        found += new[: max(0, lacking)]
    found.sort(key=lambda trade: trade.trade_id)
    return [
        replace(
            trade,
            trade_id=filled_id(trade.trade_id),
            # no tie with one of ours, which would mix the two in latest_prices
            seq=min(MAX_SEQ, heard_at[trade.symbol, trade.ts] + trade.seq),
        )
        for trade in found
    ]


def _fullest(recordings: Iterable[Iterable[Trade]]) -> dict[Content, list[Trade]]:
    """Of each content the trades of the recording that has the most of it; of equals the first."""
    fullest: dict[Content, list[Trade]] = {}
    for trades in recordings:
        here: dict[Content, list[Trade]] = {}
        for trade in trades:
            here.setdefault(content(trade), []).append(trade)
        for which, equal in here.items():
            if len(equal) > len(fullest.get(which, ())):
                fullest[which] = equal
    return fullest
