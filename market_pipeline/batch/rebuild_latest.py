"""Rebuilds ``latest_prices`` from a UTC day of bronze, beside the running stream.

A row's write time in Cassandra is its trade's own time, so that the newest trade wins, whatever order they are written
in: folding an old day in moves no price. A price that no trade stands for is outbid by one microsecond, not deleted, so
that its symbol is never without a price; a true trade newer than the false one outbids that in turn. A price is not
taken for false when Kafka may have lost its trade before it was archived.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from market_pipeline.batch.write_time import outbid
from market_pipeline.bronze.archive import bronze_days, reading
from market_pipeline.bronze.lacking import Lacking, lacking
from market_pipeline.bronze.trades import trades_of_day, utc
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import CONCURRENT_STATEMENTS, connect
from market_pipeline.stream.transforms import WRITETIME, to_latest
from market_pipeline.utc_day import instant


@dataclass(frozen=True)
class Price:
    """A row of ``latest_prices``; ``written_us`` is its write time, epoch microseconds."""

    symbol: str
    ts: datetime
    price: Decimal
    volume: Decimal
    trade_id: str
    written_us: int


@dataclass
class LatestDay:
    """A rebuilt day: symbols with a trade, prices that moved forward, false prices that were replaced or deleted, and
    prices that were kept although bronze does not have their trade."""

    rows: int = 0
    moved: int = 0
    corrected: int = 0
    kept: int = 0
    first: datetime | None = None
    last: datetime | None = None
    prices: dict[str, Decimal] = field(default_factory=dict)
    seconds: float = 0.0


def stored_prices(settings: Settings) -> dict[str, Price]:
    """``latest_prices`` by symbol. Take it before bronze is brought up to date: what it holds must then be in bronze.

    Raises:
        StoreUnreachableError: Cassandra does not answer.
    """
    with connect(settings) as session:
        answer = session.execute(
            "SELECT symbol, ts, price, volume, trade_id, WRITETIME(price) AS written_us "
            f"FROM {settings.keyspace}.latest_prices"
        )
        return {r.symbol: Price(r.symbol, utc(r.ts), *r[2:]) for r in answer if r.ts is not None and r.written_us}


def rebuild(
    spark: SparkSession | None, settings: Settings, day: date, before: Mapping[str, Price]
) -> LatestDay:  # fmt: skip
    """Fold the day's newest trade of each symbol in, and replace prices of this day that no trade can stand for.

    Args:
        spark: None when the archive has no record of the day.
        settings: the pipeline's.
        day: a UTC day.
        before: ``stored_prices`` from before bronze was brought up to date.

    Raises:
        ArchiveError: the archive's manifest is damaged.
        StoreUnreachableError: Cassandra does not answer.
    """
    began, done = time.monotonic(), LatestDay()
    with reading(settings):
        trades = trades_of_day(spark, settings, day)
        newest = {} if trades is None else _newest(trades)
        suspects = [price for price in before.values() if price.ts.date() == day]
        real = set() if trades is None else _known(trades, [price.trade_id for price in suspects])
        unknown = [price for price in suspects if price.trade_id not in real]
        false = false_prices(unknown, lacking(settings, day))
        right = dict(newest)
        for symbol in sorted(false.keys() - newest.keys()):
            right |= _older(spark, settings, day, symbol)
    done.rows = len(newest)
    done.moved = sum(1 for s, p in newest.items() if s not in before or before[s].written_us < p.written_us)
    done.corrected, done.kept = len(false), len(unknown) - len(false)
    done.prices = {symbol: price.price for symbol, price in newest.items()}
    times = [price.ts for price in newest.values()]
    done.first, done.last = min(times, default=None), max(times, default=None)
    gone = [price for symbol, price in false.items() if symbol not in right]
    with connect(settings) as session:
        _store(session, settings, (row_of(price, false.get(symbol)) for symbol, price in right.items()), gone)
    done.seconds = time.monotonic() - began
    return done


def false_prices(unknown: Iterable[Price], may_lack: Lacking) -> dict[str, Price]:
    """By symbol, those of the prices without a trade in bronze that no trade can stand for. Pure."""
    return {price.symbol: price for price in unknown if not may_lack.trade(price.trade_id)}


def row_of(price: Price, false: Price | None) -> tuple[Any, ...]:
    """A row to insert, its write time last: later than that of the false price that it replaces. Pure."""
    written_us = outbid(price.written_us, None if false is None else false.written_us)
    return (price.symbol, price.ts, price.price, price.volume, price.trade_id, written_us)


def _store(
    session: Session, settings: Settings, rows: Iterable[tuple[Any, ...]], gone: Iterable[Price]
) -> None:  # fmt: skip
    insert = session.prepare(
        f"INSERT INTO {settings.keyspace}.latest_prices (symbol, ts, price, volume, trade_id) "
        "VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?"
    )
    remove = session.prepare(f"DELETE FROM {settings.keyspace}.latest_prices USING TIMESTAMP ? WHERE symbol = ?")
    execute_concurrent_with_args(session, insert, list(rows), concurrency=CONCURRENT_STATEMENTS)
    deletions = [(price.written_us, price.symbol) for price in gone]
    execute_concurrent_with_args(session, remove, deletions, concurrency=CONCURRENT_STATEMENTS)


def _newest(trades: DataFrame) -> dict[str, Price]:
    rows = to_latest(trades).withColumn("ts", F.unix_millis("ts"))
    latest = rows.groupBy("symbol").agg(F.max_by(F.struct(*rows.columns), F.struct(WRITETIME, "trade_id")).alias("row"))
    found = {}
    for symbol, row in latest.toLocalIterator():
        price, volume = Decimal(row["price"]), Decimal(row["volume"])
        found[symbol] = Price(symbol, instant(row["ts"]), price, volume, row["trade_id"], row[WRITETIME])
    return found


def _older(spark: SparkSession | None, settings: Settings, day: date, symbol: str) -> dict[str, Price]:
    """The newest price of a symbol before the day; empty when there is none."""
    for older in reversed([each for each in bronze_days(settings) if each < day]):
        trades = trades_of_day(spark, settings, older)
        found = {} if trades is None else _newest(trades.where(F.col("symbol") == symbol))
        if found:
            return found
    return {}


def _known(trades: DataFrame, trade_ids: list[str]) -> set[str]:
    if not trade_ids:
        return set()
    return {row.trade_id for row in trades.where(F.col("trade_id").isin(trade_ids)).select("trade_id").collect()}
