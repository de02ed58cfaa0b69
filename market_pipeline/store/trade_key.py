"""Where the row of one trade is in ``trades_silver``."""

from datetime import datetime

from market_pipeline.model import Trade
from market_pipeline.utc_day import instant

BY_KEY = "symbol = ? AND bucket = ? AND ts = ? AND trade_id = ?"
"""The row of one trade, of which ``silver_key`` has the values."""


def silver_key(trade: Trade) -> tuple[str, datetime, datetime, str]:
    """The primary key of a trade's row: symbol, bucket, ts and trade_id."""
    at = instant(trade.ts)
    return trade.symbol, at.replace(minute=0, second=0, microsecond=0), at, trade.trade_id
