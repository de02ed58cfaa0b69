"""The drill as a job, and a schedule that can be switched on: it needs a second pipeline's memory and processor."""

import dagster as dg

from market_pipeline.defs.failures import told_in_one_line
from market_pipeline.defs.repairs import LONG
from market_pipeline.defs.resources import PipelineResource
from market_pipeline.defs.schedules import MAX_RUNTIME


class Drill(dg.Config):
    """Which faults; all without a name."""

    only: list[str] = []  # noqa: RUF012 - a pydantic field


@dg.op(pool=LONG, description="Start a second pipeline, break it in every way that is known, and measure.")
def drill_now(context: dg.OpExecutionContext, config: Drill, pipeline: PipelineResource) -> None:
    from dataclasses import asdict

    from market_pipeline.drill.drill import drill as hold_drill

    with told_in_one_line():
        done = hold_drill(pipeline.settings(), tuple(config.only), context.log.info)
    rows = [dg.TableRecord({k: "" if v is None else v for k, v in asdict(each).items()}) for each in done.outcomes]
    context.add_output_metadata(
        {
            "report": dg.MetadataValue.md(done.page.read_text(encoding="utf-8")),
            "page": dg.MetadataValue.path(str(done.page)),
            "faults": dg.MetadataValue.table(rows) if rows else dg.MetadataValue.text("none"),
        }
    )
    if failed := [f"{each.fault}: {'; '.join(each.shortcomings)}" for each in done.outcomes if each.is_failure]:
        raise dg.Failure("; ".join(failed), allow_retries=False)


@dg.job(tags={MAX_RUNTIME: "5400"}, description="Breaks a second pipeline for real; the running one is not touched.")
def drill() -> None:
    drill_now()


drill_at_night = dg.ScheduleDefinition(
    name="drill_at_night",
    job=drill,
    cron_schedule="30 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="At 03:30 UTC, for who has the memory and the processors of a second pipeline: switch it on.",
)
