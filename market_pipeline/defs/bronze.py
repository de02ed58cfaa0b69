"""Bronze: what came over Kafka, byte for byte."""

from datetime import timedelta
from typing import Any

import dagster as dg

from market_pipeline.charts import bar_chart
from market_pipeline.defs.description import DAY_HOURS, OWNERS, column_schema, day_metadata
from market_pipeline.defs.failures import told_in_one_line
from market_pipeline.defs.partitions import DAILY, ONE_RUN, days_of
from market_pipeline.defs.resources import PipelineResource
from market_pipeline.model import TRADE_RECORD


@dg.asset(
    group_name="bronze",
    partitions_def=DAILY,
    backfill_policy=ONE_RUN,
    kinds={"kafka", "parquet", "bronze"},
    owners=OWNERS,
    tags={"layer": "bronze"},
    pool="bronze_archive",
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=1), warn_window=timedelta(minutes=20)),
    metadata={
        "dagster/column_schema": column_schema(TRADE_RECORD),
        "topic": "trades_raw, keyed by symbol",
        "archive": "bronze/date=YYYY-MM-DD/hour=HH/*.parquet below the data dir, by event time (UTC)",
        "look at it": dg.MetadataValue.md("`market-pipeline topics list` · `market-pipeline archive --json`"),
        "if it is late": dg.MetadataValue.md(
            "1. `market-pipeline status`: is the feed connected, do Kafka's offsets move?\n"
            "2. `market-pipeline logs producer`\n3. `market-pipeline restart producer`: nothing that was read is lost"
        ),
    },
)
def trades_raw(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> None:
    """Every trade as it came, on the Kafka topic `trades_raw` and, for good, in the Parquet archive.

    The producer writes the topic, which keeps hours. **Materialising** takes everything that is on the topic and not
    yet archived (not only the partition's day) and reports what the archive now holds of the day. Running it twice adds
    nothing twice; what Kafka deleted before it was archived is told by its offsets.
    """
    from market_pipeline.bronze import archive

    with told_in_one_line():
        settings = pipeline.settings()
        added = archive_and_tell(context, settings)
        for day in days_of(context):
            held = archive.summarise_day(settings, day)
            context.log.info(f"{day}: {held.rows:,} records in the archive" + (" (empty day)" if not held.rows else ""))
            metadata = day_metadata(
                rows=held.rows,
                bytes_=held.bytes,
                seconds=added.seconds,
                first=held.first_trade,
                last=held.last_trade,
                chart=bar_chart(f"Records an hour, {day} (UTC)", DAY_HOURS, [float(n) for n in held.hours]),
                more={"files": held.files, "records added by this run": added.rows},
            )
            context.add_asset_metadata(metadata, partition_key=day.isoformat())


def archive_and_tell(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, settings: Any) -> Any:
    """Bring bronze up to date; lost offsets are logged as an error and don't stop the run: the rest is archived."""
    from market_pipeline.bronze import archive

    try:
        result = archive.archive_new(settings)
    except archive.OffsetsLost as error:
        context.log.error(str(error))
        result = error.result
    context.log.info(f"archived {result.rows:,} new records in {result.seconds:.1f} s")
    return result
