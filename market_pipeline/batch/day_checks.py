"""What the asset checks read of a UTC day, in bounded memory: sums and counts are made in Cassandra and Spark.

Hours that may still change (they ended less than ``SETTLED_AFTER`` ago) are left out: the stream is ahead of the
archive, and silver is a second ahead of the bars.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from market_pipeline.batch.daily_tables import trades_of_rows
from market_pipeline.batch.expiry import may_have_expired
from market_pipeline.batch.rebuild_bars import FIGURES, batch_bars, stored_bars
from market_pipeline.bronze.archive import reading
from market_pipeline.bronze.trades import records_of_day, utc
from market_pipeline.quality.bars import (
    BarDifference,
    BarFault,
    VolumeFault,
    differences,
    faults_of,
    hourly_volume,
    merged,
)
from market_pipeline.quality.bars import volume_faults as differing_volumes
from market_pipeline.quality.doubles import Accounts, Double, digest, doubles, repeated
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.store.trades import (
    COUNT_TIMEOUT_S,
    Partition,
    places_day,
    silver_counts,
    symbols,
)
from market_pipeline.stream.parsing import parse
from market_pipeline.supervision.heartbeat import Beat, read_heartbeat
from market_pipeline.utc_day import day_hours, day_start, instant

SETTLED_AFTER = timedelta(minutes=15)
NAMED_DOUBLES = 10_000
"""Trades that are named when they are there twice: more would only fill the memory."""


def settled_until(settings: Settings, now: datetime) -> datetime:
    """Hours that ended by this hardly change any more: only trades that come late still do."""
    return now.astimezone(UTC) - SETTLED_AFTER


def settled_hours(settings: Settings, day: date, now: datetime) -> list[datetime]:
    """The starts of the day's hours that do not change any more."""
    return [hour for hour in day_hours(day) if hour + timedelta(hours=1) <= settled_until(settings, now)]


def bar_faults(settings: Settings, day: date) -> tuple[int, list[BarFault]]:
    """The day's bars of one minute that can't be true, and how many bars there are."""
    count, faults = 0, []
    with connect(settings) as session:
        for symbol in symbols(session, settings):
            bars = stored_bars(session, settings, symbol, day)
            count += len(bars)
            faults += list(faults_of(symbol, bars))
    return count, faults


def bar_volume_faults(settings: Settings, day: date, now: datetime) -> tuple[int, list[VolumeFault]]:
    """Settled hours in which the bars' volume is not the sum over silver, and how many were compared.

    None are where silver's rows may have left: the bars stay for longer.
    """
    if may_have_expired(settings, day, now):
        return 0, []
    hours = settled_hours(settings, day, now)
    in_bars: dict[tuple[str, datetime], Decimal] = {}
    in_silver: dict[tuple[str, datetime], Decimal] = {}
    with connect(settings) as session:
        add = session.prepare(
            f"SELECT sum(volume) AS volume FROM {settings.keyspace}.trades_silver WHERE symbol = ? AND bucket = ?"
        )
        for symbol in symbols(session, settings):
            bars = stored_bars(session, settings, symbol, day)
            in_bars |= {key: v for key, v in hourly_volume(symbol, bars).items() if key[1] in hours}
            for hour in hours:
                summed = session.execute(add, (symbol, hour), timeout=COUNT_TIMEOUT_S).one().volume
                in_silver[symbol, hour] = summed or Decimal(0)
    return len(in_silver), differing_volumes(in_bars, in_silver)


def silver_doubles(settings: Settings, day: date) -> tuple[int, list[Double]]:
    """Trades that stand at two places of silver, under whatever symbol and time, and how many rows there are.

    All rows of the day are read once; only when one is there twice once more, to name it.
    """
    settings.paths.run.mkdir(parents=True, exist_ok=True)
    with connect(settings) as session, TemporaryDirectory(dir=settings.paths.run) as folder:
        rows, found = repeated((row.trade_id for row in places_day(session, settings, day)), Path(folder))
        suspects = set(islice(found, NAMED_DOUBLES))
        if not suspects:
            return rows, []
        return rows, doubles(row for row in places_day(session, settings, day) if digest(row.trade_id) in suspects)


def accounts(spark: SparkSession | None, settings: Settings, day: date, now: datetime) -> Accounts:
    """Where the day's records went. Bronze must have been brought up to date before."""
    hours = settled_hours(settings, day, now)
    with reading(settings), connect(settings) as session:
        records, rejected, wanted = bronze_trades(spark, settings, day, hours)
        counts = silver_counts(session, settings, hours, {symbol for symbol, _ in wanted})
        silver = sum(rows for _, rows in counts)
    trades = sum(wanted.values())
    expired = trades - silver if trades > silver and may_have_expired(settings, day, now) else 0
    return Accounts(records, rejected, records - rejected - trades, silver, expired)


def bronze_trades(
    spark: SparkSession | None, settings: Settings, day: date, hours: list[datetime]
) -> tuple[int, int, dict[Partition, int]]:
    """What bronze has of these hours of a day. Use it within ``archive.reading``.

    Returns:
        how many records there are, how many of them are no trades, and the trades by symbol and hour, each once.
    """
    records = None if spark is None else records_of_day(spark, settings, day)
    if records is None:
        return 0, 0, {}
    total = rejected = 0
    trades: dict[Partition, int] = {}
    at = F.unix_millis(F.date_trunc("hour", F.timestamp_millis("trade.ts"))).alias("hour")
    valid = F.col("is_trade")
    symbol = F.when(valid, F.col("trade.symbol")).alias("symbol")
    identity = F.when(valid, F.col("trade.trade_id"))
    by_hour = (
        parse(records)
        .groupBy(symbol, F.when(valid, at).alias("hour"))
        .agg(F.count("*").alias("records"), F.count_distinct(identity).alias("trades"))
    )
    for row in by_hour.toLocalIterator():
        if row.symbol is None:
            total, rejected = total + row.records, rejected + row.records
        elif (hour := instant(row.hour)) in hours:
            total += row.records
            trades[row.symbol, hour] = row.trades
    return total, rejected, trades


def bar_differences(
    spark: SparkSession | None, settings: Settings, day: date, now: datetime
) -> tuple[int, list[BarDifference]]:
    """Where the stored bars and the batch's differ, over settled minutes, and how many bars the batch has."""
    until, count = settled_until(settings, now), 0
    found: list[BarDifference] = []
    with reading(settings), connect(settings) as session:
        left = set(symbols(session, settings))
        for symbol, bars, _ in batch_bars(spark, settings, day):
            left.discard(symbol)
            count += len(bars)
            found += differences(symbol, stored_bars(session, settings, symbol, day), bars, until)
        for symbol in sorted(left):
            found += differences(symbol, stored_bars(session, settings, symbol, day), {}, until)
    return count, found


def daily_bar_faults(settings: Settings, day: date, now: datetime) -> tuple[int, list[BarFault]]:
    """The day's bars of one day that can't be true or, once the day is settled, aren't made of their minutes."""
    names = ", ".join(FIGURES)
    count, faults = 0, []
    settled = len(settled_hours(settings, day, now)) == 24
    with connect(settings) as session:
        ask = session.prepare(f"SELECT {names} FROM {settings.keyspace}.ohlcv_1d WHERE symbol = ? AND day = ?")
        for symbol in sorted(trades_of_rows(session, settings, "ohlcv_1d", day)):
            row = session.execute(ask, (symbol, day)).one()
            bar = {name: getattr(row, name) for name in FIGURES}
            count += 1
            faults += list(faults_of(symbol, {day_start(day): bar}))
            minutes = stored_bars(session, settings, symbol, day)
            whole = merged(minutes[at] for at in sorted(minutes))
            if settled and (whole is None or any(whole[name] != bar[name] for name in whole)):
                faults.append(BarFault(symbol, day_start(day), f"{bar} is not the sum of its minutes, {whole}"))
    return count, faults


def newest_prices(settings: Settings, now: datetime) -> dict[str, datetime | None]:
    """Event time of each subscribed symbol's newest price, None for one that never had any.

    Prices of symbols that nobody subscribes any more stay in the table for good; they can't get newer.
    """
    beat = read_heartbeat(settings.paths.heartbeat("producer"))
    newest: dict[str, datetime | None] = dict.fromkeys(subscribed(settings, beat, now))
    with connect(settings) as session:
        for row in session.execute(f"SELECT symbol, ts FROM {settings.keyspace}.latest_prices"):
            if row.symbol in newest:
                newest[row.symbol] = utc(row.ts) if row.ts else None
    return newest


def subscribed(settings: Settings, beat: Beat | None, now: datetime) -> list[str]:
    """The symbols that the running producer says it has subscribed, else those of the settings. Pure.

    A recording has symbols of its own, and a shell of one's own may not know the pipeline's variables.
    """
    names = beat.detail.get("symbol_names") if beat and not beat.is_stale(now.timestamp()) else None
    return [str(name) for name in names] if isinstance(names, list) else list(settings.symbols)
