"""Judges the runbook's rules each half minute, keeps the incidents, and asks for runs of remedies."""

import time
from typing import TYPE_CHECKING

import dagster as dg

from market_pipeline.alerts.cures import INCIDENT_TAG
from market_pipeline.defs.incidents import reports_of
from market_pipeline.defs.remedies import restart_producer, restart_program, restart_stream
from market_pipeline.defs.resources import PipelineResource

if TYPE_CHECKING:
    from market_pipeline.alerts.healing import Attempt
    from market_pipeline.alerts.requests import Request
    from market_pipeline.alerts.round import Told
    from market_pipeline.settings import Settings

LOOK_EVERY_S = 30
PROMPT_EVERY_S = 5
ASKED_EVERY_S = 10


@dg.sensor(
    jobs=[restart_program],
    minimum_interval_seconds=PROMPT_EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sees, from heartbeats alone, which program hangs or was given up, and has it restarted.",
)
def programs(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SensorResult | dg.SkipReason:
    # loaded when it is asked for: the clients of Kafka and Cassandra would slow down every start of the code server
    from market_pipeline.alerts.round import judge_programs_now

    settings = pipeline.settings()
    return _told(context, settings, judge_programs_now(settings))


@dg.sensor(
    jobs=[restart_program],
    minimum_interval_seconds=LOOK_EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Judges the runbook's rules and keeps the incidents: `market-pipeline incidents` shows them.",
)
def alerts(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SensorResult | dg.SkipReason:
    from market_pipeline.alerts.round import judge_now
    from market_pipeline.defs.run_records import runs_of

    runs = runs_of(context.instance, context.repository_def, time.time()) if context.repository_def else None
    settings = pipeline.settings()
    return _told(context, settings, judge_now(settings, runs))


def _told(context: dg.SensorEvaluationContext, settings: "Settings", told: "Told") -> dg.SensorResult | dg.SkipReason:
    for line in told.changes:
        context.log.warning(line)
    if not told.attempts and not told.over:
        return dg.SkipReason(told.summary)
    return dg.SensorResult(
        run_requests=[_run_of(each, {"market_pipeline/attempt": str(each.number)}) for each in told.attempts],
        skip_reason=told.summary if not told.attempts else None,
        asset_events=list(reports_of(settings, told.over, context.log.warning)),
    )


@dg.sensor(
    jobs=[restart_program, restart_producer, restart_stream],
    minimum_interval_seconds=ASKED_EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Runs the remedies that people ask for: by a button of Slack's or `market-pipeline incidents run`.",
)
def asked_for(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SensorResult | dg.SkipReason:
    from market_pipeline.alerts.requests import Requests

    requests = Requests(pipeline.settings().paths.incidents).take(time.time())
    for each in requests:
        context.log.info(f"{each.by} asked for {each.remedy}, for {each.incident}")
    if not requests:
        return dg.SkipReason("nobody asked for anything")
    return dg.SensorResult(run_requests=[_run_of(each, {"market_pipeline/asked_by": each.by}) for each in requests])


def _run_of(wanted: "Attempt | Request", tags: dict[str, str]) -> dg.RunRequest:
    """The run of a remedy; the same wish is the same run."""
    which = {"program": wanted.subject, "incident": wanted.incident}
    config = {"ops": {f"{wanted.remedy}_now": {"config": which}}} if wanted.remedy == restart_program.name else {}
    return dg.RunRequest(
        job_name=wanted.remedy, run_key=wanted.key, run_config=config, tags={INCIDENT_TAG: wanted.incident, **tags}
    )
