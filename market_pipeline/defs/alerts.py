"""Judges the runbook's rules each half minute, keeps the incidents, and asks for the remedies that are due."""

import time

import dagster as dg

from market_pipeline.defs.remedies import restart_program
from market_pipeline.defs.resources import PipelineResource

LOOK_EVERY_S = 30


@dg.sensor(
    jobs=[restart_program],
    minimum_interval_seconds=LOOK_EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Judges the runbook's rules and keeps the incidents: `market-pipeline incidents` shows them.",
)
def alerts(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SensorResult | dg.SkipReason:
    # loaded when it is asked for: the clients of Kafka and Cassandra would slow down every start of the code server
    from market_pipeline.alerts.round import judge_now
    from market_pipeline.defs.run_records import runs_of

    runs = runs_of(context.instance, context.repository_def, time.time()) if context.repository_def else None
    told = judge_now(pipeline.settings(), runs)
    for line in told.changes:
        context.log.warning(line)
    if not told.attempts:
        return dg.SkipReason(told.summary)
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                job_name=attempt.remedy,
                run_key=attempt.key,
                run_config={
                    "ops": {
                        f"{attempt.remedy}_now": {"config": {"program": attempt.subject, "incident": attempt.incident}}
                    }
                },
                tags={"market_pipeline/incident": attempt.incident, "market_pipeline/attempt": str(attempt.number)},
            )
            for attempt in told.attempts
        ]
    )
