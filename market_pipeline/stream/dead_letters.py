"""Records of ``trades_raw`` that are no trades go to ``trades_dlq`` with the reason and where they came from."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from market_pipeline.settings import Settings
from market_pipeline.stream.parsing import rejected
from market_pipeline.stream.sinks import checkpoint

QUERY = "trades_dlq"
TRIGGER = "5 seconds"


def to_dead_letters(parsed: DataFrame) -> DataFrame:
    """Records for ``trades_dlq``: key and value as they came, headers as UTF-8 text."""
    headers = F.array(
        _header("reason", F.col("reason")),
        _header("detail", F.col("detail")),
        _header("origin", F.lit("stream")),
        _header("topic", F.col("topic")),
        _header("partition", F.col("partition")),
        _header("offset", F.col("offset")),
    )
    return rejected(parsed).select("key", "value", headers.alias("headers"))


def start_dead_letters(parsed: DataFrame, settings: Settings) -> StreamingQuery:
    """Start the query. At least once: a crash may write a letter twice, and partition and offset tell."""
    letters = to_dead_letters(parsed).observe("rejected", F.count(F.lit(1)).alias("records"))
    return (
        letters.writeStream.format("kafka")
        .queryName(QUERY)
        .option("kafka.bootstrap.servers", settings.bootstrap_servers)
        .option("topic", settings.dead_letter_topic)
        .option("kafka.max.request.size", str(8 * 1024 * 1024))
        .option("checkpointLocation", checkpoint(settings, QUERY))
        .outputMode("append")
        .trigger(processingTime=TRIGGER)
        .start()
    )


def _header(key: str, value: Column) -> Column:
    text = F.coalesce(value.cast("string"), F.lit(""))
    return F.struct(F.lit(key).alias("key"), F.encode(text, "UTF-8").alias("value"))
