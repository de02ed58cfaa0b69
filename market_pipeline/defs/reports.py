"""The runbook's checklists as report assets: each run looks at every box and leaves a page."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from market_pipeline.defs.description import OWNERS
from market_pipeline.defs.failures import told_in_one_line
from market_pipeline.defs.partitions import DAILY, ONE_RUN, days_of
from market_pipeline.defs.pruning import prune
from market_pipeline.defs.repairs import LONG
from market_pipeline.defs.resources import PipelineResource
from market_pipeline.defs.schedules import MAX_RUNTIME, run_of_day_before

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

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
    from market_pipeline.routine.digest import tell_digest
    from market_pipeline.routine.page import keep

    tell_digest(settings, name, report)
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
        report = report_of(settings, now, context.log.info, lambda: prune(context.instance, now))
        _tell(context, settings, report, f"weekly/{now:%G-W%V}")


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


def _routine(every: str, max_runtime_s: int) -> "UnresolvedAssetJobDefinition":
    return dg.define_asset_job(
        f"{every}_routine",
        selection=dg.AssetSelection.assets(f"{every}_report"),
        tags={MAX_RUNTIME: str(max_runtime_s)},
        description=f"Fill in the runbook's {every} checklist.",
    )


def _on(cron: str, job: "UnresolvedAssetJobDefinition", description: str) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        job=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )


daily_routine = _routine("daily", 7200)
weekly_routine = _routine("weekly", 7200)
monthly_routine = _routine("monthly", 3600)

weekly_routine_on_sunday = _on(
    "0 5 * * 0",
    weekly_routine,
    "On Sunday at 05:00 UTC, when the stock markets are closed and compaction disturbs nobody.",
)
monthly_routine_on_the_first = _on("0 6 1 * *", monthly_routine, "On the first of the month at 06:00 UTC.")


@dg.schedule(
    job=daily_routine,
    cron_schedule="10 1 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="At 01:10 UTC, when the day before is checked and built.",
)
def daily_routine_after_midnight(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    return run_of_day_before(context)
