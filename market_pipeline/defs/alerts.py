"""Judges the runbook's rules each half minute and keeps the incidents."""

import dagster as dg

from market_pipeline.defs.resources import PipelineResource

LOOK_EVERY_S = 30


@dg.sensor(
    minimum_interval_seconds=LOOK_EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Judges the runbook's rules and keeps the incidents: `market-pipeline incidents` shows them.",
)
def alerts(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SkipReason:
    # loaded when it is asked for: the clients of Kafka and Cassandra would slow down every start of the code server
    from market_pipeline.alerts.round import judge_now

    told = judge_now(pipeline.settings())
    for line in told.changes:
        context.log.warning(line)
    return dg.SkipReason(told.summary)
