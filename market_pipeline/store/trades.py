"""What silver and the bars hold of a day, read partition by partition."""

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Session
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.query import tuple_factory

from market_pipeline.model import PROBE
from market_pipeline.quality.bar_sums import BarSum
from market_pipeline.quality.columns import DECIMAL, NOT_A_NUMBER, exact, of_columns
from market_pipeline.quality.doubles import Placed
from market_pipeline.quality.latest import LatestPrice
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import prepared
from market_pipeline.utc_day import day_hours

SILVER_KEPT = timedelta(days=90)
"""Rows of ``trades_silver`` leave so long after they were written."""
CONCURRENT_READS = 16
PAGE_ROWS = 5_000
COUNT_TIMEOUT_S = 300.0
"""A partition may hold millions of rows, and Cassandra counts and adds them one by one."""

Partition = tuple[str, datetime]
"""Of ``trades_silver``: symbol and bucket, the UTC hour."""


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


def silver_batches(
    session: Session, settings: Settings, day: date, of_symbols: Iterable[str]
) -> Iterator[pa.RecordBatch]:
    """The rows of ``trades_silver`` of a UTC day as columns, symbol by symbol, hour by hour.

    Memory is bounded by the pages of ``CONCURRENT_READS`` partitions. Times and numbers come as Cassandra writes them:
    to make an object of each would cost more than all the rest.
    """
    statement = session.prepare(
        "SELECT toUnixTimestamp(ts), trade_id, CAST(price AS text), CAST(volume AS text), toUnixTimestamp(received_at) "
        f"FROM {settings.keyspace}.trades_silver WHERE symbol = ? AND bucket = ?"
    )
    statement.fetch_size = PAGE_ROWS
    tuples = session.execution_profile_clone_update(EXEC_PROFILE_DEFAULT, row_factory=tuple_factory)
    wanted = ((symbol, hour) for symbol in of_symbols for hour in day_hours(day))
    running: deque[tuple[str, Any]] = deque()
    while True:
        for symbol, hour in islice(wanted, CONCURRENT_READS - len(running)):
            running.append((symbol, session.execute_async(statement, (symbol, hour), execution_profile=tuples)))
        if not running:
            return
        symbol, asked = running.popleft()
        yield from _pages(symbol, asked)


def _pages(symbol: str, asked: Any) -> Iterator[pa.RecordBatch]:
    """A partition's pages; the next one is on its way while one is made into columns."""
    rows = asked.result().current_rows
    while True:
        if more := asked.has_more_pages:
            asked.start_fetching_next_page()
        if rows:
            yield _silver_columns(symbol, rows)
        if not more:
            return
        rows = asked.result().current_rows


def _silver_columns(symbol: str, rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
    ts, trade_id, price, volume, received_ms = zip(*rows, strict=True)
    received = pc.multiply(pc.fill_null(pa.array(received_ms, pa.int64()), 0), 1000)
    return of_columns(
        symbol=[symbol] * len(rows),
        ts=ts,
        trade_id=trade_id,
        price=_decimals(price),
        volume=_decimals(volume),
        seq=[0] * len(rows),
        received_at=received,
    )


def _decimals(texts: Sequence[str | None]) -> pa.Array:
    # Arrow crashes on an exponent such as that of 1E-999999999
    if not any(text is not None and "E" in text.upper() for text in texts):
        with contextlib.suppress(pa.ArrowInvalid):  # one of them has more digits than a trade's number can have
            return pc.fill_null(pa.array(texts, pa.string()).cast(DECIMAL), NOT_A_NUMBER)
    return pa.array([NOT_A_NUMBER if text is None else exact(Decimal(text)) for text in texts], DECIMAL)


def latest_prices(session: Session, settings: Settings) -> dict[str, LatestPrice]:
    """The rows of ``latest_prices`` by symbol, the probe's left out; a row without a time is none."""
    rows = session.execute(f"SELECT symbol, ts, trade_id, price, volume FROM {settings.keyspace}.latest_prices")
    return {
        row.symbol: LatestPrice(epoch_ms(row.ts), row.trade_id or "", row.price, row.volume)
        for row in rows
        if row.ts is not None and not row.symbol.startswith(PROBE)
    }


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
