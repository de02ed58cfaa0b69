"""From trades to the rows of each table: pure functions, DataFrame to DataFrame, used by stream and batch alike.

``trades`` is what ``parsing.valid`` gives. No row's value depends on the order in which trades come.
"""

from collections.abc import Mapping
from types import MappingProxyType

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from market_pipeline.model import CANARY, MAX_SEQ, PROBE_AWAITED_MS

WRITETIME = "write_us"
"""The column of ``to_latest`` that becomes Cassandra's write time, in epoch microseconds."""


def unique(trades: DataFrame) -> DataFrame:
    """Each trade once, for batches: a producer that was killed sends again what was not confirmed."""
    return trades.dropDuplicates(["trade_id"])


def without_canaries(trades: DataFrame) -> DataFrame:
    """What people shall see: the canary proves the path to ``trades_silver``, from where it is removed."""
    return trades.where(F.col("symbol") != CANARY)


def without_old_canaries(trades: DataFrame) -> DataFrame:
    """Of canaries those that somebody still waits for: one that is read from Kafka again, hours later, nobody would
    remove."""
    received_ms = F.unix_millis("received_at")
    return trades.where((F.col("symbol") != CANARY) | (received_ms > clock_ms() - F.lit(PROBE_AWAITED_MS)))


def to_silver(trades: DataFrame) -> DataFrame:
    """Rows of ``trades_silver``. ``ingested_at`` is the moment at which the row itself passes."""
    return without_old_canaries(trades).select(
        "symbol",
        F.date_trunc("hour", "ts").alias("bucket"),
        "ts",
        "trade_id",
        plain(F.col("price")).alias("price"),
        plain(F.col("volume")).alias("volume"),
        "conditions",
        "received_at",
        F.timestamp_millis(clock_ms()).alias("ingested_at"),
    )


def to_latest(trades: DataFrame) -> DataFrame:
    """Rows of ``latest_prices`` with ``WRITETIME``: the trade's own time, so that an older trade can't win.

    Cassandra settles a tie of write times cell by cell, which would mix two trades of one millisecond; the sequence
    within the millisecond breaks it.
    """
    return without_canaries(trades).select(
        "symbol",
        "ts",
        plain(F.col("price")).alias("price"),
        plain(F.col("volume")).alias("volume"),
        "trade_id",
        (F.unix_micros("ts") + F.least(F.greatest("seq", F.lit(0)), F.lit(MAX_SEQ))).alias(WRITETIME),
    )


def to_bars(trades: DataFrame, width: str = "1 minute", more: Mapping[str, Column] = MappingProxyType({})) -> DataFrame:
    """OHLCV bars with columns symbol, ts (start of the bar, UTC), ``model``'s bar figures, and ``NOTIONAL`` in place of
    the vwap: Spark has no type for the quotient, ``batch.exact_vwap`` divides.

    ``width`` is a Spark interval that divides a day; ``more`` are further aggregates by name. Price updates (volume 0)
    move the prices, not volume, vwap or the number of trades. A sum that outgrows its type is null.
    """
    order = F.struct("ts", "trade_id")
    traded = F.col("volume") > 0
    return (
        trades.groupBy("symbol", F.window("ts", width).alias("span"))
        .agg(
            F.min_by("price", order).alias("open"),
            F.max("price").alias("high"),
            F.min("price").alias("low"),
            F.max_by("price", order).alias("close"),
            F.try_sum("volume").alias("volume"),
            F.count(F.when(traded, True)).alias("trades"),
            *(each.alias(name) for name, each in {**exact_notional(), **more}.items()),
        )
        .select(
            "symbol",
            F.col("span.start").alias("ts"),
            "open",
            "high",
            "low",
            "close",
            "volume",
            "trades",
            *NOTIONAL,
            *more,
        )
    )


NOTIONAL = ("notional_whole", "notional_fraction", "notional_dust")
"""The columns of ``exact_notional``."""


def exact_notional() -> dict[str, Column]:
    """The sum of price × volume with all of its up to 60 digits, as three aggregates that add up to it, by name.

    Spark's own product of the two has 13 decimals. Each factor's whole and fraction are multiplied apart, which needs
    no rounding, and of fraction × fraction what is behind the 18th decimal is summed apart.
    """
    whole = {name: F.floor(name).cast(f"DECIMAL({digits},0)") for name, digits in (("price", 10), ("volume", 14))}
    part = {name: (F.col(name) - whole[name]).cast("DECIMAL(18,18)") for name in whole}
    fine = part["price"] * part["volume"]
    front = fine.cast("DECIMAL(19,18)")
    fraction = whole["price"] * part["volume"] + part["price"] * whole["volume"] + front
    sums = (whole["price"] * whole["volume"], fraction, fine - front)
    return {name: F.try_sum(each) for name, each in zip(NOTIONAL, sums, strict=True)}


def to_minute_rows(bars: DataFrame) -> DataFrame:
    """Rows of ``ohlcv_1m`` from bars of one minute, decimals as text."""
    return _rows(bars.withColumn("day", F.to_date("ts")), "symbol", "day", "ts")


def to_day_rows(bars: DataFrame) -> DataFrame:
    """Rows of ``ohlcv_1d`` from bars of one day, decimals as text."""
    return _rows(bars.withColumn("day", F.to_date("ts")), "symbol", "day")


def plain(number: Column) -> Column:
    """A decimal as text with the digits it has and no more: 39432.48, not 39432.480000000000000000 and not 3.9E+4.

    Cassandra's decimal keeps the digits that it is given, and the connector makes it from text.
    """
    text = number.cast("string")
    return F.when(text.contains("."), F.rtrim(F.rtrim(text, F.lit("0")), F.lit("."))).otherwise(text)


def _rows(bars: DataFrame, *key: str) -> DataFrame:
    figures = ("open", "high", "low", "close", "volume")
    exact = (F.col(name).cast("string").alias(name) for name in NOTIONAL)
    rest = [name for name in bars.columns if name not in ("symbol", "day", "ts", *figures, *NOTIONAL)]
    return bars.select(*key, *(plain(F.col(name)).alias(name) for name in figures), *rest, *exact)


def clock_ms() -> Column:
    """Now, for each row: ``current_timestamp`` is the start of the batch, and a real-time batch lasts long."""
    return F.reflect(F.lit("java.lang.System"), F.lit("currentTimeMillis")).cast("BIGINT")
