"""Whether a trade is there twice, and whether every record of bronze is accounted for.

Identity never comes from time or value: real trades share both. What may not happen is one ``trade_id`` at two places.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Placed(NamedTuple):
    """Where a row of silver stands; ``ts`` is epoch milliseconds."""

    trade_id: str
    symbol: str
    ts: int


@dataclass(frozen=True)
class Double:
    """One ``trade_id`` at two places."""

    trade_id: str
    first: Placed
    second: Placed

    def __str__(self) -> str:
        places = " and ".join(f"{place.symbol} at {place.ts}" for place in (self.first, self.second))
        return f"{self.trade_id}: {places}"


def doubles(rows: Iterable[Placed]) -> list[Double]:
    """Every ``trade_id`` that comes again. Memory grows by the rows: the caller bounds them."""
    seen: dict[str, Placed] = {}
    found = []
    for row in rows:
        first = seen.setdefault(row.trade_id, row)
        if first is not row:
            found.append(Double(row.trade_id, first, row))
    return found


@dataclass(frozen=True)
class Accounts:
    """Where a day's records of bronze went.

    Attributes:
        records: records in bronze.
        rejected: of them, no trades.
        sent_again: trades that came more than once, beyond the first time.
        silver: rows in silver.
    """

    records: int
    rejected: int
    sent_again: int
    silver: int

    @property
    def missing(self) -> int:
        """Trades of bronze that silver lacks; negative: rows that bronze does not explain."""
        return self.records - self.rejected - self.sent_again - self.silver

    def __str__(self) -> str:
        return (
            f"bronze {self.records:,} = silver {self.silver:,} + rejected {self.rejected:,} + sent again "
            f"{self.sent_again:,}" + (f" + missing {self.missing:,}" if self.missing else "")
        )
