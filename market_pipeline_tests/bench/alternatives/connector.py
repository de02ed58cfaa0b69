"""Spark's connector for Cassandra as the stream had it before it had a writer of its own: a query a table, no bars.

``real-time``: a statement a row. The connector holds the last statement of a task back until the next row comes, so
each row is sent twice; and Spark's checks of real-time mode are off, for this sink is none of that mode's.
``micro-batch``: batches back to back, rows of a partition in one statement, which is how it caught up.
"""

import signal
import sys
import threading
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from market_pipeline.batch.connector import BY_PARTITION, CONNECTOR
from market_pipeline.settings import Settings
from market_pipeline.stream.parsing import parse, valid
from market_pipeline.stream.session import open_session
from market_pipeline.stream.source import RECORDS_A_BATCH
from market_pipeline.stream.transforms import WRITETIME, to_latest, to_silver

ROW_BY_ROW = {
    "spark.cassandra.output.concurrent.writes": "256",
    "spark.cassandra.output.batch.size.rows": "1",
    "spark.cassandra.output.batch.grouping.key": "none",
}
CHECKS = ("spark.sql.streaming.realTimeMode.allowlistCheck", "spark.sql.streaming.unsupportedOperationCheck")


def main(mode: str, keyspace: str, checkpoints: str) -> int:
    """Run until SIGTERM; ``checkpoints`` is a folder that keeps the offsets from one start to the next."""
    settings, real_time = Settings.load(), mode == "real-time"
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    session = open_session(settings, Path(checkpoints) / "spark")
    spark = session.spark
    for check in CHECKS if real_time else ():
        spark.conf.set(check, "false")
    records = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", settings.bootstrap_servers)
        .option("subscribe", settings.topic)
        .option("startingOffsets", "latest")
        .option("kafka.fetch.min.bytes", "1")
    )
    if not real_time:
        records = records.option("maxOffsetsPerTrigger", str(RECORDS_A_BATCH))
    trades = valid(parse(records.load()))
    for table, rows in (("trades_silver", to_silver(trades)), ("latest_prices", to_latest(trades))):
        options = {"keyspace": keyspace, "table": table, **(ROW_BY_ROW if real_time else BY_PARTITION)}
        if WRITETIME in rows.columns:
            options["writetime"] = WRITETIME
        stream = (_twice(rows) if real_time else rows).writeStream.format(CONNECTOR).outputMode("append")
        stream = stream.queryName(table).options(**options).option("checkpointLocation", f"{checkpoints}/{table}")
        if real_time:
            stream = stream.trigger(realTime=f"{settings.commit_interval_s} seconds")  # type: ignore[call-overload]
        stream.start()
    while not stopped.wait(0.5):
        if len(spark.streams.active) < 2:
            return 1
    session.jvm.kill()
    return 0


def _twice(rows: DataFrame) -> DataFrame:
    return rows.withColumn("_copy", F.explode(F.array(F.lit(1), F.lit(2)))).drop("_copy")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
