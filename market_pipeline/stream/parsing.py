"""Kafka records to trades, in Spark's own expressions: the same rules as ``model.decode``."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from market_pipeline.model import EARLIEST_TS_MS, MAX_AHEAD_MS, MAX_KEY_CHARACTERS, MAX_WHOLE, TRADE_RECORD, spark_ddl
from market_pipeline.model.characters import FORBIDDEN
from market_pipeline.stream.grammar import RECORD
from market_pipeline.stream.rejection import rejection

_DDL = spark_ddl(TRADE_RECORD)


def parse(records: DataFrame) -> DataFrame:
    """``records`` (any columns, among them ``value``: binary or text) with ``trade`` and ``is_trade``.

    ``trade`` is a struct of ``model.TRADE_RECORD``, of use only where ``is_trade`` is true.
    """
    text = F.col("value").cast("string")
    # only what has the right form meets the parser: it would write out a number such as 1e999999999 digit by digit
    formed = F.when(F.is_valid_utf8(text) & text.rlike(RECORD), text)
    trade = F.col("trade")
    seen = F.concat(trade.symbol, F.coalesce(F.array_join(trade.conditions, ""), F.lit("")))
    sound = (
        (F.length(trade.symbol) <= MAX_KEY_CHARACTERS)
        & (F.length(trade.trade_id) <= MAX_KEY_CHARACTERS)
        & ~seen.rlike(FORBIDDEN)
        & (trade.price > 0)
        & (trade.volume >= 0)
        & (trade.seq.isNotNull())
        & (trade.received_at <= MAX_WHOLE["received_at"])
        & (trade.ts >= EARLIEST_TS_MS)
        & (trade.ts <= F.call_function("div", trade.received_at, F.lit(1000)) + MAX_AHEAD_MS)
    )
    return records.withColumn("trade", F.from_json(formed, _DDL)).withColumn(
        "is_trade", F.coalesce(sound, F.lit(False))
    )


def valid(parsed: DataFrame) -> DataFrame:
    """The trades in what ``parse`` gave: the columns of ``model.TRADE_RECORD``, both times as timestamps."""
    return (
        parsed.where("is_trade")
        .select("trade.*")
        .withColumns({"ts": F.timestamp_millis("ts"), "received_at": F.timestamp_micros("received_at")})
    )


def with_rejection(parsed: DataFrame) -> DataFrame:
    """What ``parse`` gave with ``rejection``: ``reason`` (a ``model.Rejection``) and ``detail`` of a record that is no
    trade, null of a trade."""
    failure = F.when(~F.col("is_trade"), rejection(F.col("value").cast("string")))
    return parsed.withColumn("rejection", failure)
