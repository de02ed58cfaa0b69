"""What silver and the bars hold of a day, read partition by partition."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args

from market_pipeline.quality.doubles import Placed
from market_pipeline.quality.ledger import BarSum, Sighting
from market_pipeline.settings import Settings

CONCURRENT_READS = 16
PAGE_ROWS = 5_000


def symbols(session: Session, settings: Settings) -> list[str]:
    """Every symbol that ever had a price: one row each in ``latest_prices``."""
    return sorted(row.symbol for row in session.execute(f"SELECT symbol FROM {settings.keyspace}.latest_prices"))


def silver_day(session: Session, settings: Settings, day: date) -> Iterator[Sighting]:
    """The rows of ``trades_silver`` of a UTC day, symbol by symbol, hour by hour; memory is bounded by a page."""
    prepared = session.prepare(
        f"SELECT symbol, ts, trade_id, price, volume FROM {settings.keyspace}.trades_silver "
        "WHERE symbol = ? AND bucket = ?"
    )
    prepared.fetch_size = PAGE_ROWS
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    for symbol in symbols(session, settings):
        for hour in range(24):
            for row in session.execute(prepared, (symbol, start + timedelta(hours=hour))):
                yield Sighting(row.symbol, epoch_ms(row.ts), row.trade_id, row.price, row.volume)


def places_day(session: Session, settings: Settings, day: date) -> Iterator[Placed]:
    """Where each row of ``trades_silver`` of a UTC day stands; memory is bounded by a page."""
    prepared = session.prepare(
        f"SELECT ts, trade_id FROM {settings.keyspace}.trades_silver WHERE symbol = ? AND bucket = ?"
    )
    prepared.fetch_size = PAGE_ROWS
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    for symbol in symbols(session, settings):
        for hour in range(24):
            for row in session.execute(prepared, (symbol, start + timedelta(hours=hour))):
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
