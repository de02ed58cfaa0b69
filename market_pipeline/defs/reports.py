"""The runbook's checklists as report assets: each run looks at every box and leaves a page."""

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from market_pipeline.defs.description import OWNERS
from market_pipeline.defs.failures import told_in_one_line
from market_pipeline.defs.partitions import DAILY, ONE_RUN, days_of
from market_pipeline.defs.repairs import LONG
from market_pipeline.defs.resources import PipelineResource
from market_pipeline.defs.schedules import MAX_RUNTIME

if TYPE_CHECKING:
    from market_pipeline.routine.report import Report
    from market_pipeline.settings import Settings

GROUP = "operations"


@dg.asset(
    group_name=GROUP,
    deps=["trades_silver", "ohlcv_1m", "feed_gaps"],
    partitions_def=DAILY,
    backfill_policy=ONE_RUN,
    kinds={"report"},
    owners=OWNERS,
    description="The runbook's daily checks of a UTC day that is over: a page with tables and charts.",
)
def daily_report(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> None:
    from market_pipeline.routine.daily import daily_report as report_of

    with told_in_one_line():
        settings = pipeline.settings()
        for day in days_of(context):
            report = report_of(settings, day, datetime.now(UTC), context.log.info)
            _tell(context, settings, report, f"daily/{day}", str(day))


def _tell(
    context: dg.AssetExecutionContext, settings: "Settings", report: "Report", name: str, partition: str | None = None
) -> None:
    from market_pipeline.routine.page import keep

    path = keep(settings, name, report)
    metadata = {
        "report": dg.MetadataValue.md(report.markdown()),
        "page": dg.MetadataValue.path(str(path)),
        "needs a person": dg.MetadataValue.int(len(report.attention)),
        **{box: dg.MetadataValue.text(found.text) for box, (_, found) in report.findings.items()},
    }
    if partition is None:
        context.add_output_metadata(metadata)
    else:
        context.add_asset_metadata(metadata, partition_key=partition)


@dg.asset(
    group_name=GROUP,
    deps=["trades_silver", "ohlcv_1m"],
    kinds={"report"},
    owners=OWNERS,
    pool=LONG,
    description="The runbook's weekly checks, smoke test and compaction included: a page with tables and charts.",
)
def weekly_report(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> None:
    from market_pipeline.routine.weekly import weekly_report as report_of

    with told_in_one_line():
        settings, now = pipeline.settings(), datetime.now(UTC)
        _tell(context, settings, report_of(settings, now, context.log.info), f"weekly/{now:%G-W%V}")


@dg.asset(
    group_name=GROUP,
    deps=["trades_silver", "ohlcv_1m"],
    kinds={"report"},
    owners=OWNERS,
    description="The runbook's monthly checks: versions, the key, what each rule fired on, how soon people answered.",
)
def monthly_report(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> None:
    from market_pipeline.routine.monthly import monthly_report as report_of

    with told_in_one_line():
        settings, now = pipeline.settings(), datetime.now(UTC)
        _tell(context, settings, report_of(settings, now, context.log.info), f"monthly/{now:%Y-%m}")


monthly_routine = dg.define_asset_job(
    "monthly_routine",
    selection=dg.AssetSelection.assets("monthly_report"),
    tags={MAX_RUNTIME: "3600"},
    description="Fill in the runbook's monthly checklist.",
)
monthly_routine_on_the_first = dg.ScheduleDefinition(
    job=monthly_routine,
    cron_schedule="0 6 1 * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="On the first of the month at 06:00 UTC.",
)

weekly_routine = dg.define_asset_job(
    "weekly_routine",
    selection=dg.AssetSelection.assets("weekly_report"),
    tags={MAX_RUNTIME: "7200"},
    description="Fill in the runbook's weekly checklist.",
)
weekly_routine_on_sunday = dg.ScheduleDefinition(
    job=weekly_routine,
    cron_schedule="0 5 * * 0",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="On Sunday at 05:00 UTC, when the stock markets are closed and compaction disturbs nobody.",
)

daily_routine = dg.define_asset_job(
    "daily_routine",
    selection=dg.AssetSelection.assets("daily_report"),
    tags={MAX_RUNTIME: "7200"},
    description="Fill in the runbook's daily checklist.",
)


@dg.schedule(
    job=daily_routine,
    cron_schedule="10 1 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="At 01:10 UTC, when the day before is checked and built.",
)
def daily_routine_after_midnight(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    day: date = (context.scheduled_execution_time.astimezone(UTC) - timedelta(days=1)).date()
    return dg.RunRequest(run_key=str(day), partition_key=str(day))
