"""What every asset says of itself, and what every materialisation says of its day."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from market_pipeline.charts import as_markdown
from market_pipeline.model import Column

OWNERS = ["team:market-data"]
DAY_HOURS = ["00:00", "04:00", "08:00", "12:00", "16:00", "20:00", "24:00"]
KEPT = "kept, unexplained"
"""What bronze does not have and may have lost: the archive's gaps say why (check ``no_offsets_lost``)."""
RUNBOOK_STREAM = dg.MetadataValue.md(
    "1. `market-pipeline status`: the stream's lag, its last progress, and is there anything new on Kafka?\n"
    "2. `market-pipeline logs stream`\n"
    "3. `market-pipeline restart stream`: it goes on where it was, the same rows are written again\n"
    "4. `market-pipeline reconcile`: what is missing; materialise the day to rebuild it from bronze"
)


def table_metadata(table: str, columns: Sequence[Column], key: str, kept_by: str) -> dict[str, Any]:
    """Definition metadata of a Cassandra table: schema, full name, primary key, and the command that shows it."""
    return {
        "dagster/column_schema": column_schema(columns),
        "dagster/relation_identifier": f"market_data.{table}",
        "primary key": key,
        "kept by": kept_by,
        "look at it": dg.MetadataValue.md(f'`market-pipeline query "SELECT * FROM market_data.{table} LIMIT 20"`'),
    }


def column_schema(columns: Sequence[Column]) -> dg.TableSchema:
    return dg.TableSchema([dg.TableColumn(c.name, c.kind.cql, description=c.meaning) for c in columns])


def day_metadata(
    *,
    rows: int,
    bytes_: int,
    seconds: float,
    first: datetime | None,
    last: datetime | None,
    chart: str,
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """What each materialisation carries. A day without trades says so in words instead of with empty fields.

    Args:
        rows: rows of the day in the asset.
        bytes_: size of the day in the bronze archive.
        seconds: how long the work took.
        first: oldest event time.
        last: newest event time.
        chart: SVG.
        more: what this asset alone has to say.
    """
    record: dict[str, Any] = {"dagster/row_count": rows, "bytes": bytes_, "seconds": round(seconds, 3)}
    if first is not None and last is not None:
        record["first trade"] = dg.MetadataValue.timestamp(first)
        record["last trade"] = dg.MetadataValue.timestamp(last)
    if rows:
        record["chart"] = dg.MetadataValue.md(as_markdown(chart, "chart of the day"))
    else:
        record["note"] = "no trades on this day: 0 rows"
    return record | dict(more)
