"""Whether ``latest_prices`` has the newest trade of each symbol, by event time and place within the millisecond."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from market_pipeline.model import MAX_SEQ
from market_pipeline.quality.columns import bytes_of


class LatestPrice(NamedTuple):
    """A symbol's newest trade; ``ts`` in epoch milliseconds, ``price`` in the quote currency. A row may lack the price
    and the volume, which every trade has."""

    ts: int
    trade_id: str
    price: Decimal | None
    volume: Decimal | None


@dataclass(frozen=True)
class PriceMismatch:
    """A row of ``latest_prices`` that is not the newest trade; None where there is no row, or no trade for it."""

    symbol: str
    want: LatestPrice | None
    have: LatestPrice | None


@dataclass
class NewestTrades:
    """Finds the newest trade of each symbol: by event time, then by ``seq``, then by ``trade_id``."""

    _newest: dict[str, tuple[int, int, str, Decimal, Decimal]] = field(default_factory=dict)

    def add(self, trades: pa.RecordBatch) -> None:
        """Take trades, as columns of ``quality.columns.COLUMNS``."""
        if not trades.num_rows:
            return
        symbols = trades.column("symbol").dictionary_encode()
        codes, ts, seq = symbols.indices.to_numpy(), trades.column("ts").to_numpy(), trades.column("seq").to_numpy()
        order = np.lexsort((bytes_of(trades.column("trade_id")), seq, ts, codes))
        last = order[np.append(np.flatnonzero(np.diff(codes[order])), len(order) - 1)]
        rows = trades.take(pa.array(last))
        columns = (rows.column(name).to_pylist() for name in ("symbol", "ts", "seq", "trade_id", "price", "volume"))
        for symbol, *found in zip(*columns, strict=True):
            candidate = tuple(found)
            if symbol not in self._newest or candidate[:3] > self._newest[symbol][:3]:
                self._newest[symbol] = candidate

    def found(self) -> Iterator[tuple[str, LatestPrice, bool]]:
        """Each symbol, its newest trade, and whether others of its millisecond may have won instead.

        Beyond ``MAX_SEQ`` trades of one symbol and millisecond have one write time.
        """
        for symbol, (ts, seq, identity, price, volume) in self._newest.items():
            yield symbol, LatestPrice(ts, identity, price, volume), seq >= MAX_SEQ


def price_mismatches(
    newest: NewestTrades, stored: Mapping[str, LatestPrice], day: tuple[int, int], cut: str
) -> list[PriceMismatch]:
    """Where ``latest_prices`` is not what a day's trades make it.

    Args:
        newest: of the day's trades from before the comparison began.
        stored: the rows, by symbol, read before those trades.
        day: [start, end) in epoch milliseconds.
        cut: a row whose ``trade_id`` is not below it came since the comparison began.
    """
    wrong, known = [], set()
    for symbol, want, tie in newest.found():
        known.add(symbol)
        have = stored.get(symbol)
        if have is None or not (have == want or _is_newer(have, want, day, cut) or (tie and have.ts == want.ts)):
            wrong.append(PriceMismatch(symbol, want, have))
    for symbol in stored.keys() - known:
        have = stored[symbol]
        if day[0] <= have.ts < day[1] and have.trade_id < cut:
            wrong.append(PriceMismatch(symbol, None, have))
    return sorted(wrong, key=lambda mismatch: mismatch.symbol)


def _is_newer(have: LatestPrice, want: LatestPrice, day: tuple[int, int], cut: str) -> bool:
    """Whether the row is of a later day, or came since the comparison began."""
    return have.ts >= day[1] or (have.ts >= want.ts and have.trade_id >= cut)
