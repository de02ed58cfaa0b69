"""The stream's one query: records of ``trades_raw`` into the three tables, and what is no trade into ``trades_dlq``.

Both modes run the same plan and the same writer (``market_pipeline.writer``); they differ in the trigger alone.
"""

from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.readwriter import DataStreamWriter

from market_pipeline.model import CANARY, PROBE, PROBE_AWAITED_MS
from market_pipeline.settings import Settings
from market_pipeline.stream.parsing import parse, with_rejection
from market_pipeline.stream.source import read_trades
from market_pipeline.stream.transforms import clock_ms
from market_pipeline.writer.connection_file import connection_file

QUERY = "trades"
EVERYWHERE, SILVER_ALONE, DEAD_LETTER = range(3)
"""Where a record goes, as ``TradeWriter.java`` has it."""

CONCURRENT = 8
"""Requests of a partition in flight, beyond which trades gather."""
MOST_IN_FLIGHT = 2_048
"""Requests of all partitions together in flight, beyond which they read no more: a quarter of what a connection takes,
for those of a task that failed may be in flight beside those of the one that tries again."""
LARGEST_BATCH = 200
"""Trades of one statement."""
MOST_QUEUED = 20_000
"""Trades of a partition that wait, beyond which it reads no more."""
BAR_ROOM = 1_000_000
"""Trades of all partitions together that the bars in memory may be made of, some 100 bytes each."""
BAR_INTERVAL_MS = 150
"""With the clock that looks for what is due, a bar is at most 250 ms behind."""
MICRO_BATCH = "100 milliseconds"
"""Ten a second at most: as often Kafka is asked when nothing comes."""


class Sink:
    """The writer as a sink of Spark's, and what it did.

    Args:
        spark: a session with the writer's jar on its class path.
        settings: of the pipeline.
        partitions: that the topic has.
    """

    def __init__(self, spark: SparkSession, settings: Settings, partitions: int) -> None:
        jvm: Any = spark.sparkContext._jvm  # noqa: SLF001
        java = jvm.marketpipeline
        self._metrics = java.MetricsAccumulator()
        spark._jsparkSession.sparkContext().register(self._metrics, "writer")  # noqa: SLF001
        in_flight, room = max(CONCURRENT, MOST_IN_FLIGHT // partitions), max(1, BAR_ROOM // partitions)
        limits = java.TableWriter.Limits(CONCURRENT, in_flight, LARGEST_BATCH, MOST_QUEUED, room, BAR_INTERVAL_MS)
        self._writer = java.TradeWriter(str(connection_file(settings)), limits, self._metrics)

    def metrics(self) -> str:
        """What all its tasks did since the stream started, up to the newest epoch that ended, as a JSON object."""
        return str(self._metrics.json())

    def of(self, rows: DataFrame) -> DataStreamWriter:
        """Has the writer take these rows, which are those of ``to_writer``."""
        writer = rows.writeStream.queryName(QUERY).outputMode("update")
        writer._jwrite.foreach(self._writer)  # noqa: SLF001
        return writer


def to_writer(records: DataFrame) -> DataFrame:
    """Rows for the writer from records of Kafka, in the order of ``TradeWriter.COLUMNS``.

    A canary is of ``trades_silver`` alone, and a probe of long ago is of nothing: nobody waits for it any more.
    """
    parsed = with_rejection(parse(records))
    trade, is_trade = F.col("trade"), F.col("is_trade")
    received_ms = F.call_function("div", trade.received_at, F.lit(1000))
    forgotten = trade.symbol.startswith(PROBE) & (received_ms <= clock_ms() - F.lit(PROBE_AWAITED_MS))
    place = (
        F.when(~is_trade, DEAD_LETTER)
        .when(forgotten, F.lit(None))
        .when(trade.symbol == CANARY, SILVER_ALONE)
        .otherwise(EVERYWHERE)
    )
    return (
        parsed.withColumn("place", place)
        .where("place IS NOT NULL")
        .select(
            *(trade[name].alias(name) for name in ("symbol", "ts", "trade_id", "price", "volume", "conditions")),
            *(trade[name].alias(name) for name in ("seq", "received_at")),
            "place",
            "rejection.reason",
            "rejection.detail",
            # the record itself is needed of a dead letter alone
            *(F.when(~is_trade, F.col(name)).alias(name) for name in ("key", "value")),
            *("topic", "partition", "offset"),
        )
    )


def continuous_query(spark: SparkSession, settings: Settings, sink: Sink) -> DataStreamWriter:
    """The query to start for good, in the mode that the settings name."""
    real_time = settings.stream_mode == "real-time"
    writer = _writer(spark, settings, sink, bounded=not real_time)
    if real_time:
        every = f"{settings.commit_interval_s} seconds"
        return writer.trigger(realTime=every)  # type: ignore[call-overload, no-any-return]
    return writer.trigger(processingTime=MICRO_BATCH)


def query_over_gap(spark: SparkSession, settings: Settings, sink: Sink) -> DataStreamWriter:
    """The query on what is in Kafka now; it then ends. Real-time mode can't pass over offsets that are gone."""
    return _writer(spark, settings, sink, bounded=True).trigger(availableNow=True)


def checkpoint(settings: Settings) -> Path:
    """Where the query keeps its offsets."""
    return settings.paths.checkpoints / QUERY


def _writer(spark: SparkSession, settings: Settings, sink: Sink, *, bounded: bool) -> DataStreamWriter:
    rows = to_writer(read_trades(spark, settings, bounded=bounded))
    return sink.of(rows).option("checkpointLocation", str(checkpoint(settings)))
