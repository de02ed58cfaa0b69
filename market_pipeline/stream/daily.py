"""From a day's trades to its statistics: pure functions, DataFrame to DataFrame, for the batch.

``trades`` is what ``parsing.valid`` gives, each trade once.
"""

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from market_pipeline.stream.transforms import NOTIONAL, exact_notional, plain, to_bars


def to_day_stats(trades: DataFrame, regular: tuple[datetime, datetime] | None) -> DataFrame:
    """What Spark can say of each symbol's day: ``model.SYMBOL_DAILY_STATS`` up to the regular session's volume, with
    ``NOTIONAL`` in place of the vwap.

    Decimals come as text with the digits that they have, times as epoch milliseconds: a timestamp that PySpark hands to
    Python is in the zone of the machine.

    Args:
        trades: one UTC day.
        regular: opening and closing of the stocks' regular session on that day; None when there is none.
    """
    traded = F.col("volume") > 0
    order = F.struct("ts", "trade_id")
    notional = F.when(traded, F.col("price") * F.col("volume"))
    # the largest notional; of equals the earliest, so that the answer does not depend on the order of rows
    size = F.struct((-notional).alias("notional"), F.col("ts"), F.col("trade_id"))
    largest = F.min_by(F.when(traded, F.struct("price", "volume", "ts")), F.when(traded, size))
    session = _in(regular)
    figures = trades.groupBy("symbol").agg(
        F.count(F.when(traded, True)).alias("trades"),
        F.count(F.when(~traded, True)).alias("price_updates"),
        F.try_sum("volume").alias("volume"),
        *(each.alias(name) for name, each in exact_notional().items()),
        F.min("ts").alias("first_trade"),
        F.max("ts").alias("last_trade"),
        largest.alias("largest"),
        F.min_by(F.when(session, F.col("price")), F.when(session, order)).alias("regular_open"),
        F.max(F.when(session, F.col("price"))).alias("regular_high"),
        F.min(F.when(session, F.col("price"))).alias("regular_low"),
        F.max_by(F.when(session, F.col("price")), F.when(session, order)).alias("regular_close"),
        F.try_sum(F.when(session, F.col("volume"))).alias("regular_volume"),
    )
    regular_figures = [f"regular_{name}" for name in ("open", "high", "low", "close", "volume")]
    return figures.select(
        "symbol",
        "trades",
        "price_updates",
        plain(F.col("volume")).alias("volume"),
        *(F.col(name).cast("string").alias(name) for name in NOTIONAL),
        F.unix_millis("first_trade").alias("first_trade"),
        F.unix_millis("last_trade").alias("last_trade"),
        plain(F.col("largest.price")).alias("largest_price"),
        plain(F.col("largest.volume")).alias("largest_volume"),
        F.unix_millis("largest.ts").alias("largest_at"),
        *(plain(F.col(name)).alias(name) for name in regular_figures),
    )


def to_minute_closes(trades: DataFrame) -> DataFrame:
    """The last price of each minute: columns symbol, ts (its start, epoch milliseconds), close."""
    return to_bars(trades).select(
        "symbol", F.unix_millis("ts").alias("ts"), F.col("close").cast("DOUBLE").alias("close")
    )


def _in(regular: tuple[datetime, datetime] | None) -> Column:
    """Whether a row is a stock's in its regular session."""
    if regular is None:
        return F.lit(False)
    opens, closes = regular
    stock = ~F.col("symbol").contains(":")
    return stock & (F.col("ts") >= F.lit(opens)) & (F.col("ts") < F.lit(closes))
