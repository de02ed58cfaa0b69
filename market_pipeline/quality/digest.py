"""What each hop holds, in counts and order-free checksums by symbol and minute, and where two hops differ.

A digest takes a few bytes a minute, whatever the number of trades, so that a whole day is compared without a sort; only
the minutes that differ are read again, trade by trade.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from market_pipeline.model import FILLED
from market_pipeline.quality.columns import bytes_of, checksums

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
MERGE_ROWS = 200_000
"""Partial counts are added up when there are so many rows of them."""
NAMED_TRADES = 200_000
"""So many trades of the minutes that differ are read again to name them; of the others only counts are compared."""
_NO_CHECKSUM = pa.scalar(0, pa.uint64())
_MASK = (1 << 64) - 1
_CELL = ("era", "symbol", "minute", "filled")


class Cell(NamedTuple):
    """A symbol's minute (its start, epoch milliseconds), within one era: the stretch of receive times over which the
    same hops have a memory.

    Trades that were filled in from a second source are apart: no journal of ours has them.
    """

    era: int
    symbol: str
    minute: int
    filled: bool = False


@dataclass
class HopDigest:
    """One hop's counts and checksums.

    What a producer sent again after a crash counts once, in ``repeated``, whatever order the hours are read in: within
    a symbol's hour a log's ids only grow, and after a crash they start again from an earlier one. So what is not above
    the hour's highest id so far was there before, or is a dead letter that was sent again: where hops differ the trades
    are read again, and ``recount`` tells the two apart. Filled trades come when a gap is filled, in no order of theirs:
    each is remembered, in some 100 bytes.

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
    count: int = 0
    filled: int = 0
    repeated: int = 0
    _parts: list[pa.Table] = field(default_factory=list)
    _part_rows: int = 0
    _highest: dict[tuple[str, int], bytes] = field(default_factory=dict)
    _filled_there: set[int] = field(default_factory=set)

    def add(self, trades: pa.RecordBatch) -> None:
        """Count trades, as columns of ``quality.columns.COLUMNS``."""
        if self.since:
            trades = trades.filter(pc.greater_equal(trades.column("trade_id"), self.since))
        found = checksums(trades)
        if self.log and trades.num_rows:
            first = self._first_time(trades, found)
            self.repeated += int((~first).sum())
            trades, found = trades.filter(pa.array(first)), found[first]
        if not trades.num_rows:
            return
        filled = pc.ends_with(trades.column("trade_id"), FILLED)
        of_filled = int(pc.sum(filled).as_py())
        self.count += trades.num_rows - of_filled
        self.filled += of_filled
        cells = pa.table(
            {
                "era": self._eras(trades.column("trade_id")),
                "symbol": trades.column("symbol"),
                "minute": minutes_of(trades.column("ts")),
                "filled": filled,
                "trades": np.ones(trades.num_rows, np.int64),
                "checksum": found,
            }
        )
        self._parts.append(_added_up(cells))
        self._part_rows += self._parts[-1].num_rows
        if self._part_rows > MERGE_ROWS and len(self._parts) > 1:
            self._parts = [self.cells()]
            self._part_rows = -self._parts[0].num_rows  # as many new rows again before the next time

    def recount(self, exact: Mapping[Cell, tuple[int, int]]) -> bool:
        """Correct the cells of a log by what reading them again found; returns whether anything was to be corrected.

        Only what was taken for trades that were there before is: any others have come since they were counted.

        Args:
            exact: of each cell the number of its trades, each counted once, and the sum of their checksums.
        """
        rows = self.cells().to_pylist()
        known = {Cell(*(row[name] for name in _CELL)): (row["trades"], row["checksum"]) for row in rows}
        late = {cell: sums for cell, sums in exact.items() if sums[0] > known.get(cell, (0, 0))[0]}
        surplus = {cell: sums[0] - known.get(cell, (0, 0))[0] for cell, sums in late.items()}
        if not self.log or not late or sum(surplus.values()) > self.repeated:
            return False
        checks = [(sums[1] - known.get(cell, (0, 0))[1]) & _MASK for cell, sums in late.items()]
        columns = dict(zip(_CELL, zip(*late, strict=True), strict=True))
        made = columns | {"trades": list(surplus.values()), "checksum": pa.array(checks, pa.uint64())}
        self._parts.append(_added_up(pa.table(made)))
        self.repeated -= sum(surplus.values())
        self.filled += sum(more for cell, more in surplus.items() if cell.filled)
        self.count += sum(more for cell, more in surplus.items() if not cell.filled)
        return True

    def cells(self) -> pa.Table:
        """Counts and checksums by cell."""
        return _added_up(pa.concat_tables(self._parts)) if self._parts else _added_up(_NOTHING)

    def symbols(self) -> set[str]:
        """Every symbol that the hop has a trade of."""
        return set(self.cells().column("symbol").to_pylist())

    @property
    def first_era(self) -> int:
        """The first era that this hop remembers whole."""
        return bisect_right(self.boundaries, self.since) if self.since else 0

    def _eras(self, trade_ids: pa.Array) -> Any:
        eras = np.zeros(len(trade_ids), np.int64)
        for boundary in self.boundaries:
            eras += pc.greater_equal(trade_ids, boundary).to_numpy(zero_copy_only=False)
        return eras

    def _first_time(self, trades: pa.RecordBatch, found: Any) -> Any:
        """Which of the trades were not there before."""
        symbols = trades.column("symbol").dictionary_encode()
        hours = trades.column("ts").to_numpy() // HOUR_MS
        ids = bytes_of(trades.column("trade_id"))
        groups = symbols.indices.to_numpy().astype(np.int64) * (1 << 32) + hours
        order = np.argsort(groups, kind="stable")
        first = np.ones(len(ids), bool)
        names = symbols.dictionary.to_pylist()
        for places in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
            key = (names[symbols.indices[int(places[0])].as_py()], int(hours[places[0]]))
            self._mark(key, places, ids, found, first)
        return first

    def _mark(self, key: tuple[str, int], places: Any, ids: Any, found: Any, first: Any) -> None:
        """Mark what of a symbol's hour was there before; its ids grow, as a rule, which is one comparison."""
        mine = ids[places]
        highest = self._highest.get(key, b"")
        grows = mine[0] > highest and bool((mine[1:] > mine[:-1]).all())
        if grows and mine.dtype.itemsize <= _PLAIN_ID_BYTES:
            self._highest[key] = bytes(mine[-1])
            return
        for place, identity in zip(places.tolist(), mine.tolist(), strict=True):
            if identity.endswith(FILLED.encode()):
                before = len(self._filled_there)
                self._filled_there.add(int(found[place]))
                first[place] = len(self._filled_there) > before
            elif identity <= highest:
                first[place] = False
            else:
                highest = identity
        self._highest[key] = highest


_PLAIN_ID_BYTES = 22
"""Of an id that is not a filled trade's."""


def minutes_of(ts: pa.Array) -> Any:
    """The start of each time's minute, epoch milliseconds."""
    values = ts.to_numpy()
    return values - values % MINUTE_MS


def differing(reference: HopDigest, other: HopDigest) -> dict[Cell, tuple[int, int]]:
    """The cells in which two hops differ, over the eras that both remember and of what both get, with how many trades
    each has there."""
    first = max(reference.first_era, other.first_era)
    filled = reference.takes_filled and other.takes_filled
    ours, theirs = reference.cells(), other.cells()
    minus = np.negative(theirs.column("checksum").to_numpy())  # wraps, as the sums do
    both = pa.concat_tables(
        [
            ours.append_column("others", pa.array(np.zeros(ours.num_rows, np.int64))),
            theirs.set_column(theirs.column_names.index("checksum"), "checksum", pa.array(minus))
            .append_column("others", theirs.column("trades"))
            .set_column(theirs.column_names.index("trades"), "trades", pa.array(np.zeros(theirs.num_rows, np.int64))),
        ]
    )
    sums = both.group_by(_CELL).aggregate([("trades", "sum"), ("others", "sum"), ("checksum", "sum")])
    unequal = pc.or_(
        pc.not_equal(sums["trades_sum"], sums["others_sum"]), pc.not_equal(sums["checksum_sum"], _NO_CHECKSUM)
    )
    wanted = pc.and_(unequal, pc.greater_equal(sums["era"], first))
    if not filled:
        wanted = pc.and_(wanted, pc.invert(sums["filled"]))
    rows = sums.filter(wanted).to_pylist()
    return {Cell(*(row[name] for name in _CELL)): (row["trades_sum"], row["others_sum"]) for row in rows}


def to_name(cells: Mapping[Cell, tuple[int, int]]) -> set[Cell]:
    """As many of the differing cells, in the order of their time, as can be read trade by trade in bounded memory."""
    chosen, left = set[Cell](), NAMED_TRADES
    for cell in sorted(cells, key=lambda cell: (cell.minute, cell)):
        left -= max(cells[cell])
        if left < 0 and chosen:
            break
        chosen.add(cell)
    return chosen


def trades_in(
    batches: Iterable[pa.RecordBatch],
    cells: Collection[Cell],
    digest: HopDigest,
    sums: dict[Cell, tuple[int, int]] | None = None,
) -> dict[str, int]:
    """The checksum of each trade in these cells, by ``trade_id``.

    Args:
        batches: the hop, read again.
        cells: to be read.
        digest: of the hop.
        sums: gets, where it is given, the number of trades and the sum of their checksums of each cell that has any.
    """
    found: dict[str, int] = {}
    symbols = pa.array(sorted({cell.symbol for cell in cells}), pa.string())
    minutes = pa.array(sorted({cell.minute for cell in cells}), pa.int64())
    for batch in batches:
        at = pa.array(minutes_of(batch.column("ts")))
        near = pc.and_(pc.is_in(batch.column("symbol"), symbols), pc.is_in(at, minutes))
        rows = batch.filter(pc.and_(near, pc.greater_equal(batch.column("trade_id"), digest.since)))
        for symbol, ts, identity, checksum in zip(
            *(rows.column(name).to_pylist() for name in ("symbol", "ts", "trade_id")), checksums(rows), strict=True
        ):
            era = bisect_right(digest.boundaries, identity)
            cell = Cell(era, symbol, ts - ts % MINUTE_MS, identity.endswith(FILLED))
            if cell not in cells:
                continue
            if sums is not None and identity not in found:
                count, total = sums.get(cell, (0, 0))
                sums[cell] = count + 1, (total + int(checksum)) & _MASK
            found[identity] = int(checksum)
    return found


@dataclass(frozen=True)
class Difference:
    """What a hop lacks, has too much, or has otherwise than the reference, by ``trade_id``.

    ``more_missing`` and ``more_extra`` are how many there are besides, in minutes that were not read trade by trade.
    """

    hop: str
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    changed: tuple[str, ...]
    more_missing: int = 0
    more_extra: int = 0

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra or self.changed or self.more_missing or self.more_extra)


def compare(
    hop: str,
    reference: Mapping[str, int],
    other: Mapping[str, int],
    not_named: Iterable[tuple[int, int]] = (),
) -> Difference:
    """Two hops trade by trade, for the cells that differ; ``not_named`` are the counts of those that were not read."""
    shared = reference.keys() & other.keys()
    rest = list(not_named)
    return Difference(
        hop,
        missing=tuple(sorted(reference.keys() - other.keys())),
        extra=tuple(sorted(other.keys() - reference.keys())),
        changed=tuple(sorted(k for k in shared if reference[k] != other[k])),
        more_missing=sum(max(0, ours - theirs) for ours, theirs in rest),
        more_extra=sum(max(0, theirs - ours) for ours, theirs in rest),
    )


def _added_up(cells: pa.Table) -> pa.Table:
    sums = cells.group_by(_CELL).aggregate([("trades", "sum"), ("checksum", "sum")])
    return sums.select([*_CELL, "trades_sum", "checksum_sum"]).rename_columns([*_CELL, "trades", "checksum"])


_NOTHING = pa.table(
    {
        "era": pa.array([], pa.int64()),
        "symbol": pa.array([], pa.string()),
        "minute": pa.array([], pa.int64()),
        "filled": pa.array([], pa.bool_()),
        "trades": pa.array([], pa.int64()),
        "checksum": pa.array([], pa.uint64()),
    }
)
