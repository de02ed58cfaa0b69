"""Whether bars add up to their trades: how many, and how much volume, by symbol and minute."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from market_pipeline.quality.digest import minutes_of

_WIDE = pa.decimal256(76, 18)
"""A day's volumes outgrow the type of a single one."""
_MERGE_ROWS = 200_000
Key = tuple[str, int]
"""A bar: its symbol and the start of its minute, epoch milliseconds."""


class BarSum(NamedTuple):
    """What a minute's bar must add up to, or what its row says: there either may be None, which no trades add up to."""

    trades: int | None
    volume: Decimal | None


@dataclass(frozen=True)
class BarMismatch:
    """A bar that does not add up to its trades; ``have`` is None where there is no bar."""

    symbol: str
    minute: int
    want: BarSum
    have: BarSum | None


@dataclass
class BarSums:
    """Adds up trades by bar; a price update opens a bar but adds nothing to it.

    A minute that got a trade since the comparison began, late ones included, may be changing under the reader's eyes:
    it is *open*, and left out. Read the bars first and then these trades, so that a trade that a bar already holds is
    seen here.
    """

    open: set[Key] = field(default_factory=set)
    _parts: list[pa.Table] = field(default_factory=list)
    _rows: int = 0

    def add(self, trades: pa.RecordBatch) -> None:
        """Add trades from before the comparison began, as columns of ``quality.columns.COLUMNS``."""
        volume = trades.column("volume")
        traded = pc.greater(volume, pa.scalar(Decimal(0), volume.type)).cast(pa.int64())
        at = pa.array(minutes_of(trades.column("ts")))
        table = pa.table({"symbol": trades.column("symbol"), "minute": at, "trades": traded, "volume": volume})
        part = _added_up(table)
        wide = part.column("volume").cast(_WIDE)
        self._parts.append(part.set_column(part.column_names.index("volume"), "volume", wide))
        self._rows += part.num_rows
        if self._rows > _MERGE_ROWS:
            self._parts = [_added_up(pa.concat_tables(self._parts))]
            self._rows = 0

    def add_since(self, trades: pa.RecordBatch) -> None:
        """Leave out the bars of trades that came since the comparison began."""
        at = minutes_of(trades.column("ts")).tolist()
        self.open.update(zip(trades.column("symbol").to_pylist(), at, strict=True))

    def settled(self) -> dict[Key, BarSum]:
        """What the bars must add up to, the open ones left out."""
        if not self._parts:
            return {}
        table = _added_up(pa.concat_tables(self._parts))
        columns = (table.column(name).to_pylist() for name in ("symbol", "minute", "trades", "volume"))
        sums = ((symbol, minute, BarSum(*rest)) for symbol, minute, *rest in zip(*columns, strict=True))
        return {(symbol, minute): bar for symbol, minute, bar in sums if (symbol, minute) not in self.open}


def compare_bars(want: Mapping[Key, BarSum], have: Mapping[Key, BarSum]) -> list[BarMismatch]:
    """Every bar that is missing, does not add up, or stands where nothing happened."""
    nothing = BarSum(0, Decimal(0))
    keys: Collection[Key] = sorted(want.keys() | have.keys())
    return [
        BarMismatch(symbol, minute, want.get((symbol, minute), nothing), have.get((symbol, minute)))
        for symbol, minute in keys
        if want.get((symbol, minute)) != have.get((symbol, minute))
    ]


def _added_up(table: pa.Table) -> Any:
    sums = table.group_by(["symbol", "minute"]).aggregate([("trades", "sum"), ("volume", "sum")])
    return sums.select(["symbol", "minute", "trades_sum", "volume_sum"]).rename_columns(
        ["symbol", "minute", "trades", "volume"]
    )
