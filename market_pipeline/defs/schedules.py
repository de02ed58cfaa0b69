"""What runs by the clock: archiving, the checks and the gold of the day before, and the compaction of bronze."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from market_pipeline.defs.failures import told_in_one_line
from market_pipeline.defs.partitions import FIRST_PARTITION, PARTITION
from market_pipeline.defs.resources import PipelineResource

MAX_RUNTIME = "dagster/max_runtime"
"""Seconds after which the run is ended: one that hangs must not hold its pool."""

archive = dg.define_asset_job(
    "archive",
    selection=dg.AssetSelection.assets("trades_raw")
    | dg.AssetSelection.checks(
        dg.AssetCheckKey(dg.AssetKey("trades_raw"), "no_offsets_lost"),
        dg.AssetCheckKey(dg.AssetKey("latest_prices"), "fresh_in_trading_hours"),
    ),
    tags={MAX_RUNTIME: "3600"},
    description="Archive what is new on Kafka, and see whether prices are fresh where markets are open.",
)
daily_checks = dg.define_asset_job(
    "daily_checks",
    selection=dg.AssetSelection.checks_for_assets("trades_silver", "ohlcv_1m"),
    tags={MAX_RUNTIME: "7200"},
    description="Judge the day before as the stream left it, before the batch repairs anything.",
)
daily_gold = dg.define_asset_job(
    "daily_gold",
    selection=dg.AssetSelection.assets("ohlcv_1m", "ohlcv_1d", "symbol_daily_stats"),
    tags={MAX_RUNTIME: "7200"},
    description="Repair the day's minute bars where late trades missed them, then build its daily bars and statistics.",
)


@dg.schedule(
    job=archive,
    cron_schedule="*/10 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every 10 minutes: Kafka keeps hours, the archive keeps everything.",
)
def archive_every_10_minutes(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    at = context.scheduled_execution_time.astimezone(UTC)
    return dg.RunRequest(run_key=f"{at:%Y-%m-%dT%H:%M}", partition_key=f"{at:%Y-%m-%d}")


@dg.schedule(
    job=daily_checks,
    cron_schedule="20 0 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="At 00:20 UTC: the day before is settled.",
)
def daily_checks_after_midnight(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    # a job of checks alone has no partitions of its own: its checks read theirs from the tag
    return run_of_day_before(context, by_tag=True)


@dg.schedule(
    job=daily_gold,
    cron_schedule="40 0 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="At 00:40 UTC, after the checks.",
)
def daily_gold_after_midnight(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    return run_of_day_before(context)


@dg.op(pool="bronze_archive", description="One Parquet file for each UTC hour that is over.")
def compact_hours(context: dg.OpExecutionContext, pipeline: PipelineResource) -> None:
    from market_pipeline.bronze.archive import compact
    from market_pipeline.bronze.compaction import SETTLED

    with told_in_one_line():
        done = compact(pipeline.settings(), datetime.now(UTC) - SETTLED)
    context.log.info(f"{done.hours} hours compacted, {done.postponed} are being read and wait")
    context.add_output_metadata(vars(done))


@dg.job(tags={MAX_RUNTIME: "3600"}, description="Make one file of each closed hour of the bronze archive.")
def compact_bronze() -> None:
    compact_hours()


compact_bronze_hourly = dg.ScheduleDefinition(
    job=compact_bronze,
    cron_schedule="25 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="At 25 past each hour: an hour is left alone until two hours after its end.",
)


def run_of_day_before(context: dg.ScheduleEvaluationContext, by_tag: bool = False) -> dg.RunRequest | dg.SkipReason:
    """One run, of the UTC day before the one that a schedule's tick is of; none where there was no data yet."""
    day = (context.scheduled_execution_time.astimezone(UTC) - timedelta(days=1)).date()
    if day < FIRST_PARTITION:
        return dg.SkipReason(f"there is no partition {day}: data begins on {FIRST_PARTITION}")
    if by_tag:
        return dg.RunRequest(run_key=str(day), tags={PARTITION: str(day)})
    return dg.RunRequest(run_key=str(day), partition_key=str(day))
