"""Writing to Cassandra with the connector's own sink, and what each way of writing needs.

Real time: one statement a row, many in flight. The connector holds the last statement of a task back until the next
row comes, so each row is sent twice; the copy has the same key and the same values and pushes the original out.
Batches: rows of one partition share a statement, which is several times as fast and needs more rows than a quiet second
has.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery
from pyspark.sql.streaming.readwriter import DataStreamWriter

from market_pipeline.settings import Settings
from market_pipeline.stream.transforms import WRITETIME

CONNECTOR = "org.apache.spark.sql.cassandra"
_OUTPUT = "spark.cassandra.output"

ROW_BY_ROW: dict[str, str] = {
    f"{_OUTPUT}.concurrent.writes": "256",
    f"{_OUTPUT}.batch.size.rows": "1",
    f"{_OUTPUT}.batch.grouping.key": "none",
}
BY_PARTITION: dict[str, str] = {
    f"{_OUTPUT}.concurrent.writes": "64",
    f"{_OUTPUT}.batch.size.rows": "500",
    f"{_OUTPUT}.batch.size.bytes": "65536",
    f"{_OUTPUT}.batch.grouping.key": "partition",
    f"{_OUTPUT}.batch.grouping.buffer.size": "200",
}
_CHECKS = (
    "spark.sql.streaming.realTimeMode.allowlistCheck",
    "spark.sql.streaming.unsupportedOperationCheck",
)


def table_options(settings: Settings, table: str, rows: DataFrame) -> dict[str, str]:
    options = {"keyspace": settings.keyspace, "table": table}
    if WRITETIME in rows.columns:
        options["writetime"] = WRITETIME
    return options


def real_time(rows: DataFrame, settings: Settings, table: str) -> StreamingQuery:
    """Start a query that writes each row as it comes, for good, and commits its offsets now and then."""
    twice = rows.withColumn("_copy", F.explode(F.array(F.lit(1), F.lit(2)))).drop("_copy")
    writer = _writer(twice, settings, table, ROW_BY_ROW)
    every = f"{settings.commit_interval_s} seconds"
    with _without_checks(rows.sparkSession):
        return writer.trigger(realTime=every).start()  # type: ignore[call-overload, no-any-return]


def micro_batches(rows: DataFrame, settings: Settings, table: str) -> StreamingQuery:
    """Start a query that writes in micro-batches, ten a second at most: it asks Kafka as often when nothing comes.

    Asynchronous progress would commit less often, but leaves gaps in the offset log with which no other mode starts.
    """
    writer = _writer(rows, settings, table, BY_PARTITION)
    return writer.trigger(processingTime="100 milliseconds").start()


def what_is_there(rows: DataFrame, settings: Settings, table: str) -> StreamingQuery:
    """Start a query that writes, in batches, what is in Kafka now, and then ends."""
    return _writer(rows, settings, table, BY_PARTITION).trigger(availableNow=True).start()


def write_batch(rows: DataFrame, settings: Settings, table: str) -> None:
    """Write an ordinary DataFrame."""
    options = table_options(settings, table, rows) | BY_PARTITION
    rows.write.format(CONNECTOR).options(**options).mode("append").save()


def checkpoint(settings: Settings, table: str) -> str:
    return str(settings.paths.checkpoints / table)


def _writer(rows: DataFrame, settings: Settings, table: str, how: dict[str, str]) -> DataStreamWriter:
    return (
        rows.writeStream.format(CONNECTOR)
        .queryName(table)
        .outputMode("append")
        .options(**table_options(settings, table, rows), **how)
        .option("checkpointLocation", checkpoint(settings, table))
    )


@contextmanager
def _without_checks(spark: SparkSession) -> Iterator[None]:
    """Spark lists Kafka, foreach, console and memory as the sinks of real-time mode, in update mode; the connector's
    sink takes append. For rows that are only projected and filtered both modes mean the same, so the two checks are
    off for the start of such a query, and for nothing else."""
    for name in _CHECKS:
        spark.conf.set(name, "false")
    try:
        yield
    finally:
        for name in _CHECKS:
            spark.conf.set(name, "true")
