"""Rebuilds a UTC day of ``trades_silver`` from bronze, beside the running stream.

``as_of_us`` lies before bronze was brought up to date. So what the stream had written by then is in bronze too, and an
older row that isn't should not be there, unless Kafka lost records before they were archived and it may be one of
them: such a row stays. Every trade is written before anything is deleted: a reader never finds less than the day's
trades.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from cassandra.cluster import Session
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from market_pipeline.batch.connector import write_batch
from market_pipeline.bronze.archive import reading
from market_pipeline.bronze.lacking import Lacking, lacking
from market_pipeline.bronze.trades import trades_of_day
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.store.trades import COUNT_TIMEOUT_S, Partition, epoch_ms, silver_counts
from market_pipeline.stream.transforms import to_silver
from market_pipeline.utc_day import day_hours, instant


class _Key(NamedTuple):
    """Where a trade stands in its partition; the table has the newest first."""

    ts: int
    trade_id: str


@dataclass
class SilverDay:
    """A rebuilt day: its rows in bronze, how many rows were deleted, how many were kept although bronze does not have
    them, the span of its trades, and its rows by UTC hour."""

    rows: int = 0
    removed: int = 0
    kept: int = 0
    first: datetime | None = None
    last: datetime | None = None
    by_hour: list[float] = field(default_factory=lambda: [0.0] * 24)
    seconds: float = 0.0


def rebuild(spark: SparkSession | None, settings: Settings, day: date, as_of_us: int) -> SilverDay:
    """Write every trade of the day's bronze and delete the rows that bronze would have if they were true.

    Raises:
        ArchiveError: the archive's manifest is damaged.
        StoreUnreachableError: Cassandra does not answer.
    """
    began, done = time.monotonic(), SilverDay()
    with reading(settings), connect(settings) as session:
        may_lack = lacking(settings, day)
        trades = trades_of_day(spark, settings, day)
        counts = {} if trades is None else _write(trades, settings, done)
        for partition, held in silver_counts(session, settings, day_hours(day), {symbol for symbol, _ in counts}):
            if held > counts.get(partition, 0):
                removed, kept = delete_extra(session, settings, trades, partition, as_of_us, may_lack)
                done.removed += removed
                done.kept += kept
    for (_, bucket), count in counts.items():
        done.by_hour[bucket.hour] += count
    done.rows = sum(counts.values())
    done.seconds = time.monotonic() - began
    return done


def _write(trades: DataFrame, settings: Settings, done: SilverDay) -> dict[Partition, int]:
    write_batch(to_silver(trades), settings, "trades_silver")
    partitions = trades.groupBy("symbol", F.unix_millis(F.date_trunc("hour", "ts")).alias("bucket")).agg(
        F.count("*").alias("rows"),
        F.unix_millis(F.min("ts")).alias("first"),
        F.unix_millis(F.max("ts")).alias("last"),
    )
    counts = {}
    for symbol, bucket, rows, first, last in partitions.toLocalIterator():
        counts[symbol, instant(bucket)] = rows
        done.first = min(instant(first), done.first or instant(first))
        done.last = max(instant(last), done.last or instant(last))
    return counts


def delete_extra(
    session: Session,
    settings: Settings,
    trades: DataFrame | None,
    partition: Partition,
    as_of_us: int,
    may_lack: Lacking,
) -> tuple[int, int]:
    """Walk a partition and bronze side by side, both newest first; memory is bounded by a page.

    Returns:
        how many rows were deleted, and how many were kept although bronze does not have them.
    """
    symbol, bucket = partition
    ask = session.prepare(
        f"SELECT ts, trade_id, WRITETIME(price) AS written_us FROM {settings.keyspace}.trades_silver "
        "WHERE symbol = ? AND bucket = ?"
    )
    remove = session.prepare(
        f"DELETE FROM {settings.keyspace}.trades_silver USING TIMESTAMP ? "
        "WHERE symbol = ? AND bucket = ? AND ts = ? AND trade_id = ?"
    )
    wanted = iter(()) if trades is None else _keys(trades, symbol, bucket)
    removed, kept, next_wanted = 0, 0, next(wanted, None)
    for row in session.execute(ask, (symbol, bucket), timeout=COUNT_TIMEOUT_S):
        here = _Key(epoch_ms(row.ts), row.trade_id)
        while next_wanted is not None and next_wanted > here:
            next_wanted = next(wanted, None)
        if next_wanted == here or row.written_us >= as_of_us:
            continue
        if may_lack.trade(row.trade_id):
            kept += 1
        else:
            session.execute(remove, (as_of_us, symbol, bucket, row.ts, row.trade_id))
            removed += 1
    return removed, kept


def _keys(trades: DataFrame, symbol: str, bucket: datetime) -> Iterator[_Key]:
    within = (F.col("symbol") == symbol) & (F.date_trunc("hour", "ts") == F.lit(bucket))
    rows = trades.where(within).select(F.unix_millis("ts").alias("ts"), "trade_id")
    for ts, trade_id in rows.orderBy(F.desc("ts"), F.desc("trade_id")).toLocalIterator():
        yield _Key(ts, trade_id)
