"""Writes a DataFrame into a table of Cassandra with the Spark Cassandra Connector."""

from pyspark.sql import DataFrame

from market_pipeline.settings import Settings

CONNECTOR = "org.apache.spark.sql.cassandra"
_OUTPUT = "spark.cassandra.output"
BY_PARTITION: dict[str, str] = {
    f"{_OUTPUT}.concurrent.writes": "64",
    f"{_OUTPUT}.batch.size.rows": "500",
    f"{_OUTPUT}.batch.size.bytes": "65536",
    f"{_OUTPUT}.batch.grouping.key": "partition",
    f"{_OUTPUT}.batch.grouping.buffer.size": "200",
}
"""Rows of one partition share a statement, which is several times as fast as one a row."""


def write_batch(rows: DataFrame, settings: Settings, table: str) -> None:
    """Write all rows."""
    options = {"keyspace": settings.keyspace, "table": table, **BY_PARTITION}
    rows.write.format(CONNECTOR).options(**options).mode("append").save()
