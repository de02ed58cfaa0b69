"""What each hop holds, in counts and order-free hashes by symbol and minute, and where two hops differ.

A ledger takes a few bytes a minute, whatever the number of trades, so that a whole day is compared without a sort; only
the minutes that differ are looked at trade by trade.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from market_pipeline.model import EXACT, is_filled

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
_MASK = (1 << 64) - 1


class Sighting(NamedTuple):
    """A trade as one hop holds it: ``ts`` in epoch milliseconds, ``price`` in the quote currency."""

    symbol: str
    ts: int
    trade_id: str
    price: Decimal
    volume: Decimal

    @property
    def minute(self) -> int:
        """Start of its minute, epoch milliseconds."""
        return self.ts - self.ts % MINUTE_MS


class Cell(NamedTuple):
    """A symbol's minute, within one era: the stretch of receive times over which the same hops have a memory.

    Trades that were filled in from a second source are apart: no journal of ours has them.
    """

    era: int
    symbol: str
    minute: int
    filled: bool = False


@dataclass(slots=True)
class Tally:
    """What a hop holds of a cell: how many sightings, and a hash that does not depend on their order."""

    count: int = 0
    digest: int = 0

    def add(self, sighting: Sighting) -> None:
        self.count += 1
        self.digest = (self.digest + fingerprint(sighting)) & _MASK


def fingerprint(sighting: Sighting) -> int:
    """64 bits of identity and value; 1.50 and 1.5 are the same price."""
    text = (
        f"{sighting.symbol}\n{sighting.ts}\n{sighting.trade_id}\n"
        f"{sighting.price.normalize(EXACT):f}\n{sighting.volume.normalize(EXACT):f}"
    )
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


@dataclass
class Ledger:
    """One hop's tallies.

    What a producer sent again after a crash counts once, in ``repeated``, whatever order the hours are read in: within
    a symbol's hour a log's ids only grow, and after a crash they start again from an earlier one. So what is not above
    the hour's highest id so far was there before, unless it was lost the first time, which the comparison then shows.
    Filled trades come when a gap is filled, in no order of theirs: each is remembered, in some 100 bytes.

    Args:
        hop: its name, as a person knows it.
        since: the oldest ``trade_id`` that this hop can still hold ('' when it forgets nothing).
        boundaries: the ``since`` of every hop that is compared, sorted; they cut receive time into eras.
        log: the hop may hold a trade again, and is read in the order in which each hour of event time was written.
        takes_filled: the hop gets filled trades too: all do but the journal.

    Attributes:
        count: trades, without the filled ones.
        filled: filled trades.
        repeated: what was there again.
    """

    hop: str
    since: str
    boundaries: Sequence[str]
    log: bool = False
    takes_filled: bool = True
    tallies: dict[Cell, Tally] = field(default_factory=dict)
    count: int = 0
    filled: int = 0
    repeated: int = 0
    _highest: dict[tuple[str, int], str] = field(default_factory=dict)
    _filled_there: set[int] = field(default_factory=set)

    def cell(self, sighting: Sighting) -> Cell:
        era = bisect_right(self.boundaries, sighting.trade_id)
        return Cell(era, sighting.symbol, sighting.minute, is_filled(sighting.trade_id))

    def add(self, sighting: Sighting) -> None:
        if sighting.trade_id < self.since:
            return
        if self.log and self._was_there(sighting):
            self.repeated += 1
            return
        cell = self.cell(sighting)
        self.count += not cell.filled
        self.filled += cell.filled
        self.tallies.setdefault(cell, Tally()).add(sighting)

    @property
    def first_era(self) -> int:
        """The first era that this hop remembers whole."""
        return bisect_right(self.boundaries, self.since) if self.since else 0

    def _was_there(self, sighting: Sighting) -> bool:
        if is_filled(sighting.trade_id):
            before, known = len(self._filled_there), fingerprint(sighting)
            self._filled_there.add(known)
            return len(self._filled_there) == before
        hour = (sighting.symbol, sighting.ts // HOUR_MS)
        if sighting.trade_id <= self._highest.get(hour, ""):
            return True
        self._highest[hour] = sighting.trade_id
        return False


def differing(reference: Ledger, other: Ledger) -> set[Cell]:
    """The cells in which two hops differ, over the eras that both remember and of what both get."""
    first = max(reference.first_era, other.first_era)
    filled = reference.takes_filled and other.takes_filled
    cells = {c for c in (*reference.tallies, *other.tallies) if c.era >= first and (filled or not c.filled)}
    return {cell for cell in cells if reference.tallies.get(cell) != other.tallies.get(cell)}


@dataclass(frozen=True)
class Difference:
    """What a hop lacks, has too much, or has otherwise than the reference, by ``trade_id``; a few of each are named."""

    hop: str
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    changed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra or self.changed)


def compare(hop: str, reference: Mapping[str, Sighting], other: Mapping[str, Sighting]) -> Difference:
    """Two hops trade by trade, for the cells that differ."""
    shared = reference.keys() & other.keys()
    return Difference(
        hop,
        missing=tuple(sorted(reference.keys() - other.keys())),
        extra=tuple(sorted(other.keys() - reference.keys())),
        changed=tuple(sorted(k for k in shared if fingerprint(reference[k]) != fingerprint(other[k]))),
    )


class BarSum(NamedTuple):
    """What a minute's bar must add up to."""

    trades: int
    volume: Decimal


@dataclass(frozen=True)
class BarMismatch:
    """A bar that does not add up to its trades; ``have`` is None where there is no bar."""

    symbol: str
    minute: int
    want: BarSum
    have: BarSum | None


def bar_sums(sightings: Iterable[Sighting]) -> dict[tuple[str, int], BarSum]:
    """Trades and volume by (symbol, minute); a price update opens a bar but adds nothing to it."""
    sums: dict[tuple[str, int], BarSum] = {}
    for sighting in sightings:
        key = (sighting.symbol, sighting.minute)
        before = sums.get(key, BarSum(0, Decimal(0)))
        traded = int(sighting.volume > 0)
        sums[key] = BarSum(before.trades + traded, EXACT.add(before.volume, sighting.volume))
    return sums


def settled_sums(sightings: Iterable[Sighting], cut: str) -> tuple[dict[tuple[str, int], BarSum], set[tuple[str, int]]]:
    """What the bars must add up to, and the open ones among them, which are left out.

    A minute that got a trade from ``cut`` on, late ones included, may be changing under the reader's eyes. Read the
    bars first and then these trades: so a trade that a bar already holds is seen here.
    """
    open_bars: set[tuple[str, int]] = set()

    def before() -> Iterator[Sighting]:
        for sighting in sightings:
            if sighting.trade_id < cut:
                yield sighting
            else:
                open_bars.add((sighting.symbol, sighting.minute))

    sums = bar_sums(before())
    return {key: bar for key, bar in sums.items() if key not in open_bars}, open_bars


def compare_bars(want: Mapping[tuple[str, int], BarSum], have: Mapping[tuple[str, int], BarSum]) -> list[BarMismatch]:
    """Every bar that is missing, does not add up, or stands where nothing happened."""
    nothing = BarSum(0, Decimal(0))
    keys: Collection[tuple[str, int]] = sorted(want.keys() | have.keys())
    return [
        BarMismatch(symbol, minute, want.get((symbol, minute), nothing), have.get((symbol, minute)))
        for symbol, minute in keys
        if want.get((symbol, minute)) != have.get((symbol, minute))
    ]
