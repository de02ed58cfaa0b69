"""What silver and the bars hold of a day, read partition by partition."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args

from market_pipeline.model import PROBE, Trade
from market_pipeline.quality.doubles import Placed
from market_pipeline.quality.ledger import BarSum, Sighting
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import prepared
from market_pipeline.utc_day import day_hours, instant

SILVER_KEPT = timedelta(days=90)
"""Rows of ``trades_silver`` leave so long after they were written."""
CONCURRENT_READS = 16
PAGE_ROWS = 5_000
COUNT_TIMEOUT_S = 300.0
"""A partition may hold millions of rows, and Cassandra counts and adds them one by one."""

Partition = tuple[str, datetime]
"""Of ``trades_silver``: symbol and bucket, the UTC hour."""


BY_KEY = "symbol = ? AND bucket = ? AND ts = ? AND trade_id = ?"
"""The row of one trade in ``trades_silver``, of which ``silver_key`` has the values."""


def silver_key(trade: Trade) -> tuple[str, datetime, datetime, str]:
    """The primary key of a trade's row in ``trades_silver``: symbol, bucket, ts and trade_id."""
    at = instant(trade.ts)
    return trade.symbol, at.replace(minute=0, second=0, microsecond=0), at, trade.trade_id


def symbols(session: Session, settings: Settings) -> list[str]:
    """Every symbol that ever had a price, the probe's left out: one row each in ``latest_prices``."""
    found = session.execute(f"SELECT symbol FROM {settings.keyspace}.latest_prices")
    return sorted(row.symbol for row in found if not row.symbol.startswith(PROBE))


def silver_counts(
    session: Session, settings: Settings, hours: Sequence[datetime], more: set[str]
) -> Iterator[tuple[Partition, int]]:
    """How many rows ``trades_silver`` has in each of the hours, over ``symbols`` and ``more``."""
    count = session.prepare(
        f"SELECT count(*) AS n FROM {settings.keyspace}.trades_silver WHERE symbol = ? AND bucket = ?"
    )
    for symbol in sorted(more | set(symbols(session, settings))):
        for hour in hours:
            yield (symbol, hour), session.execute(count, (symbol, hour), timeout=COUNT_TIMEOUT_S).one().n


def silver_day(session: Session, settings: Settings, day: date) -> Iterator[Sighting]:
    """The rows of ``trades_silver`` of a UTC day, symbol by symbol, hour by hour; memory is bounded by a page."""
    prepared = session.prepare(
        f"SELECT symbol, ts, trade_id, price, volume FROM {settings.keyspace}.trades_silver "
        "WHERE symbol = ? AND bucket = ?"
    )
    prepared.fetch_size = PAGE_ROWS
    for symbol in symbols(session, settings):
        for hour in day_hours(day):
            for row in session.execute(prepared, (symbol, hour)):
                yield Sighting(row.symbol, epoch_ms(row.ts), row.trade_id, row.price, row.volume)


class SilverRow(NamedTuple):
    """What a row of ``trades_silver`` says of its trade; ``ts`` is epoch milliseconds."""

    trade_id: str
    symbol: str
    ts: int
    price: Decimal
    volume: Decimal
    conditions: tuple[str, ...]


def silver_between(
    session: Session, settings: Settings, symbol: str, start: datetime, end: datetime
) -> Iterator[SilverRow]:
    """The rows of a symbol with an event time in [start, end)."""
    ask = prepared(
        session,
        f"SELECT ts, trade_id, price, volume, conditions FROM {settings.keyspace}.trades_silver "
        "WHERE symbol = ? AND bucket = ? AND ts >= ? AND ts < ?",
    )
    hour = start.replace(minute=0, second=0, microsecond=0)
    while hour < end:
        for row in session.execute(ask, (symbol, hour, start, end)):
            codes = tuple(row.conditions or ())
            yield SilverRow(row.trade_id, symbol, epoch_ms(row.ts), row.price, row.volume, codes)
        hour += timedelta(hours=1)


def places_day(session: Session, settings: Settings, day: date) -> Iterator[Placed]:
    """Where each row of ``trades_silver`` of a UTC day stands; memory is bounded by a page."""
    prepared = session.prepare(
        f"SELECT ts, trade_id FROM {settings.keyspace}.trades_silver WHERE symbol = ? AND bucket = ?"
    )
    prepared.fetch_size = PAGE_ROWS
    for symbol in symbols(session, settings):
        for hour in day_hours(day):
            for row in session.execute(prepared, (symbol, hour)):
                yield Placed(row.trade_id, symbol, epoch_ms(row.ts))


def bars_day(session: Session, settings: Settings, day: date) -> dict[tuple[str, int], BarSum]:
    """Trades and volume of each bar in ``ohlcv_1m`` of a UTC day, by (symbol, start in epoch milliseconds)."""
    prepared = session.prepare(
        f"SELECT symbol, ts, trades, volume FROM {settings.keyspace}.ohlcv_1m WHERE symbol = ? AND day = ?"
    )
    wanted = [(symbol, day) for symbol in symbols(session, settings)]
    results = execute_concurrent_with_args(session, prepared, wanted, concurrency=CONCURRENT_READS)
    return {
        (row.symbol, epoch_ms(row.ts)): BarSum(row.trades, row.volume)
        for _, rows in results
        for row in rows
    }  # fmt: skip


def epoch_ms(moment: datetime) -> int:
    """Cassandra's driver gives UTC without a zone."""
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)
