"""Silver: each trade once, and each symbol's newest price. The stream keeps both; a day can be rebuilt from bronze."""

import time
from datetime import timedelta

import dagster as dg

from market_pipeline.charts import bar_chart
from market_pipeline.defs.bronze import archive_and_tell
from market_pipeline.defs.description import DAY_HOURS, KEPT, OWNERS, RUNBOOK_STREAM, day_metadata, table_metadata
from market_pipeline.defs.failures import told_in_one_line
from market_pipeline.defs.partitions import DAILY, ONE_RUN, days_of
from market_pipeline.defs.resources import BatchSpark, PipelineResource
from market_pipeline.model import LATEST_PRICES, TRADES_SILVER

KEPT_BY = "the Spark stream, all the time; a materialisation rebuilds a day from bronze beside it"
FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=1), warn_window=timedelta(minutes=20))


@dg.asset(
    group_name="silver",
    deps=["trades_raw"],
    partitions_def=DAILY,
    backfill_policy=ONE_RUN,
    kinds={"spark", "cassandra", "silver"},
    owners=OWNERS,
    tags={"layer": "silver"},
    pool="rebuild",
    freshness_policy=FRESH,
    metadata=table_metadata("trades_silver", TRADES_SILVER, "(symbol, bucket), ts desc, trade_id desc", KEPT_BY)
    | {"if it is late": RUNBOOK_STREAM},
)
def trades_silver(context: dg.AssetExecutionContext, pipeline: PipelineResource, spark: BatchSpark) -> None:
    """Every valid trade once, by symbol and UTC hour, queryable milliseconds after it was received.

    **Materialising a day** archives what is new, writes each trade of the day's bronze (the same keys, the same rows)
    and deletes rows that bronze has no trade for; rows that it may have lost are kept and counted. Safe beside the
    running stream.
    """
    from market_pipeline.batch import rebuild_silver
    from market_pipeline.bronze import archive

    with told_in_one_line():
        settings = pipeline.settings()
        as_of_us = time.time_ns() // 1000
        archive_and_tell(context, settings)
        for day in days_of(context):
            held = archive.summarise_day(settings, day)
            done = rebuild_silver.rebuild(spark.for_rows(settings, held.rows), settings, day, as_of_us)
            context.log.info(f"{day}: {done.rows:,} trades, {done.removed:,} rows removed, {done.seconds:.1f} s")
            metadata = day_metadata(
                rows=done.rows,
                bytes_=held.bytes,
                seconds=done.seconds,
                first=done.first,
                last=done.last,
                chart=bar_chart(f"Trades an hour, {day} (UTC)", DAY_HOURS, done.by_hour),
                more={
                    "records in bronze": held.rows,
                    "records that are no new trade": held.rows - done.rows,
                    "rows removed": done.removed,
                    KEPT: done.kept,
                },
            )
            context.add_asset_metadata(metadata, partition_key=day.isoformat())


@dg.asset(
    group_name="silver",
    # live the stream makes it of the topic, and a rebuild of bronze: in both it stands beside trades_silver
    deps=["trades_raw"],
    partitions_def=DAILY,
    backfill_policy=ONE_RUN,
    kinds={"spark", "cassandra", "silver"},
    owners=OWNERS,
    tags={"layer": "silver"},
    pool="rebuild",
    freshness_policy=FRESH,
    metadata=table_metadata("latest_prices", LATEST_PRICES, "symbol", KEPT_BY) | {"if it is late": RUNBOOK_STREAM},
)
def latest_prices(context: dg.AssetExecutionContext, pipeline: PipelineResource, spark: BatchSpark) -> None:
    """The newest price of each symbol by event time; a price update without volume moves it too.

    **Materialising a day** folds that day's newest trades in: the newest wins, so rebuilding an old day moves no price
    back. A price of that day that no trade in bronze stands for is replaced by the newest true one.
    """
    from market_pipeline.batch import rebuild_latest
    from market_pipeline.bronze import archive

    with told_in_one_line():
        settings = pipeline.settings()
        before = rebuild_latest.stored_prices(settings)
        archive_and_tell(context, settings)
        for day in days_of(context):
            held = archive.summarise_day(settings, day)
            done = rebuild_latest.rebuild(spark.for_rows(settings, held.rows), settings, day, before)
            context.log.info(f"{day}: {done.rows:,} symbols, {done.moved:,} prices moved forward, {done.seconds:.1f} s")
            prices = [dg.TableRecord({"symbol": s, "price": str(price)}) for s, price in sorted(done.prices.items())]
            schema = dg.TableSchema([dg.TableColumn("symbol", "text"), dg.TableColumn("price", "decimal")])
            metadata = day_metadata(
                rows=done.rows,
                bytes_=held.bytes,
                seconds=done.seconds,
                first=done.first,
                last=done.last,
                chart=bar_chart(f"Records an hour, {day} (UTC)", DAY_HOURS, [float(n) for n in held.hours]),
                more={
                    "prices moved forward": done.moved,
                    "false prices replaced": done.corrected,
                    KEPT: done.kept,
                    **({"prices": dg.MetadataValue.table(prices, schema)} if prices else {}),
                },
            )
            context.add_asset_metadata(metadata, partition_key=day.isoformat())
