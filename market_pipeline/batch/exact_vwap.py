"""The vwap of the batch's bars: exact, from sums that Spark makes without rounding."""

from decimal import Decimal
from functools import reduce
from typing import Any

from market_pipeline.model import EXACT
from market_pipeline.quality.bars import exact_vwap
from market_pipeline.stream.transforms import NOTIONAL


def with_exact_vwap(row: dict[str, Any]) -> dict[str, Any]:
    """A row of Spark's, its ``NOTIONAL`` replaced by the vwap. Decimals are text."""
    parts = [row[name] for name in NOTIONAL]
    figures = {name: value for name, value in row.items() if name not in NOTIONAL}
    notional = None if None in parts else reduce(EXACT.add, map(Decimal, parts))
    found = exact_vwap(notional, None if row["volume"] is None else Decimal(row["volume"]))
    return figures | {"vwap": None if found is None else f"{found.normalize(EXACT):f}"}
