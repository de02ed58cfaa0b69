"""Whether a trade is there twice, and whether every record of bronze is accounted for.

Identity never comes from time or value: real trades share both. What may not happen is one ``trade_id`` at two places.
"""

import hashlib
from array import array
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

SHARES = 256
"""A day's identities are looked through in so many parts: 100 million of them are 3 MB a part."""


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


def digest(trade_id: str) -> bytes:
    """Eight bytes for an identity; two that share them are told apart by ``doubles``."""
    return hashlib.blake2b(trade_id.encode(), digest_size=8).digest()


def repeated(trade_ids: Iterable[str], folder: Path) -> tuple[int, set[bytes]]:
    """How many identities there are, and the digests of those that come more than once.

    ``folder`` is an empty one for eight bytes an identity: memory does not grow by them.
    """
    parts = [folder / f"{share:03d}" for share in range(SHARES)]
    count = 0
    with ExitStack() as stack:
        files = [stack.enter_context(part.open("wb")) for part in parts]
        for trade_id in trade_ids:
            short = digest(trade_id)
            files[short[0]].write(short)
            count += 1
    found: set[bytes] = set()
    for part in parts:
        ordered = sorted(array("Q", part.read_bytes()))
        twice = {one for one, other in pairwise(ordered) if one == other}
        found |= {array("Q", [one]).tobytes() for one in twice}
        part.unlink()
    return count, found


def doubles(rows: Iterable[Placed]) -> list[Double]:
    """Every ``trade_id`` that comes again. Memory grows by the rows: give it those that ``repeated`` suspects."""
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
        expired: trades that silver lacks because the time to live of their rows is over.
    """

    records: int
    rejected: int
    sent_again: int
    silver: int
    expired: int = 0

    @property
    def missing(self) -> int:
        """Trades of bronze that silver lacks; negative: rows that bronze does not explain."""
        return self.records - self.rejected - self.sent_again - self.silver - self.expired

    def __str__(self) -> str:
        return (
            f"bronze {self.records:,} = silver {self.silver:,} + rejected {self.rejected:,} + sent again "
            f"{self.sent_again:,}"
            + (f" + expired {self.expired:,}" if self.expired else "")
            + (f" + missing {self.missing:,}" if self.missing else "")
        )
