"""The topic ``trades_raw`` as a stream of records."""

from pyspark.sql import DataFrame, SparkSession

from market_pipeline.settings import Settings

RECORDS_A_BATCH = 100_000
"""The most that one micro-batch takes, so that a backlog needs bounded memory."""


def read_trades(spark: SparkSession, settings: Settings, *, bounded: bool) -> DataFrame:
    """``trades_raw`` from the checkpoint on, or from the oldest record where there is no checkpoint.

    ``bounded`` limits what one micro-batch takes; real-time mode knows no such limit.

    Offsets that Kafka no longer has end the query, unless ``settings.accept_lost_offsets`` says otherwise.
    """
    reader = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", settings.bootstrap_servers)
        .option("subscribe", settings.topic)
        .option("startingOffsets", "earliest")
        .option("failOnDataLoss", str(not settings.accept_lost_offsets).lower())
        .option("kafka.client.dns.lookup", "use_all_dns_ips")
        .option("kafka.fetch.max.wait.ms", "500")
        .option("kafka.fetch.min.bytes", "1")
        .option("kafka.max.partition.fetch.bytes", str(1024 * 1024))
        .option("kafka.receive.buffer.bytes", str(256 * 1024))
    )
    if bounded:
        reader = reader.option("maxOffsetsPerTrigger", str(RECORDS_A_BATCH))
    return reader.load()
