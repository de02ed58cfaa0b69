"""A UTC day's trades out of the bronze archive, by the very functions that the stream uses."""

from datetime import UTC, date, datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from market_pipeline.bronze.archive import bronze_files
from market_pipeline.model import PROBE_RECORD_BEGINS
from market_pipeline.settings import Settings
from market_pipeline.stream.parsing import parse, valid
from market_pipeline.stream.transforms import unique


def records_of_day(spark: SparkSession, settings: Settings, day: date) -> DataFrame | None:
    """What came over Kafka for the day (column ``value``), probes left out; None when nothing did.

    Use it within ``archive.reading``.
    """
    files = [str(path) for path in bronze_files(settings, day)]
    if not files:
        return None
    probe = F.col("value").cast("string").startswith(PROBE_RECORD_BEGINS.decode())
    return spark.read.parquet(*files).select("value").where(~F.coalesce(probe, F.lit(False)))


def trades_of_day(spark: SparkSession | None, settings: Settings, day: date) -> DataFrame | None:
    """The day's trades, each once. ``spark`` may be None when the archive has no record of the day."""
    records = None if spark is None else records_of_day(spark, settings, day)
    return None if records is None else unique(valid(parse(records)))


def utc(of_cassandra: datetime) -> datetime:
    """Cassandra's driver gives UTC without a zone."""
    return of_cassandra.replace(tzinfo=UTC)
