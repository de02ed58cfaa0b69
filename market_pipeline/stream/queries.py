"""The queries of the stream and how each is started in each mode."""

from collections.abc import Callable

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from market_pipeline.settings import Settings
from market_pipeline.stream import sinks
from market_pipeline.stream.failure import short_errors
from market_pipeline.stream.parsing import valid
from market_pipeline.stream.source import in_one_task, read_trades
from market_pipeline.stream.transforms import WRITETIME, to_latest, to_silver

SILVER = "trades_silver"
LATEST = "latest_prices"

TABLES: dict[str, Callable[[DataFrame], DataFrame]] = {SILVER: to_silver, LATEST: to_latest}
"""The tables that have a row for each trade, and what makes their rows."""


def start_running(spark: SparkSession, settings: Settings) -> list[StreamingQuery]:
    """Start the queries of ``TABLES`` for good, in the mode that the settings name."""
    real_time = settings.stream_mode == "real-time"
    start = sinks.real_time if real_time else sinks.micro_batches
    records = read_trades(spark, settings, real_time=real_time)
    trades = valid(records if real_time else in_one_task(records))
    return [start(rows(trades), settings, table) for table, rows in TABLES.items()]


def start_catching_up(spark: SparkSession, settings: Settings) -> list[StreamingQuery]:
    """Start queries that write what is in Kafka now in large batches, on the same checkpoints, and then end.

    Of ``latest_prices`` a batch needs the newest row of each symbol only.
    """
    trades = valid(read_trades(spark, settings))

    def write_newest(batch: DataFrame, _: int) -> None:
        with short_errors():
            sinks.write_batch(newest_of_each_symbol(batch), settings, LATEST)

    latest = (
        to_latest(trades)
        .writeStream.queryName(LATEST)
        .foreachBatch(write_newest)
        .option("checkpointLocation", sinks.checkpoint(settings, LATEST))
        .trigger(availableNow=True)
        .start()
    )
    return [sinks.what_is_there(to_silver(trades), settings, SILVER), latest]


def newest_of_each_symbol(rows: DataFrame) -> DataFrame:
    """Of rows of ``latest_prices`` the one that would win in Cassandra."""
    whole = F.struct(*(F.col(name) for name in rows.columns if name != "symbol"))
    newest = F.max_by(whole, F.struct(WRITETIME, "trade_id")).alias("newest")
    return rows.groupBy("symbol").agg(newest).select("symbol", "newest.*")
