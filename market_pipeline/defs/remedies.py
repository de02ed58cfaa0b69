"""The runbook's remedies as jobs: started by hand, from a message, or by an alert. Two never run at once."""

from typing import TYPE_CHECKING

import dagster as dg

from market_pipeline.defs.failures import told_in_one_line
from market_pipeline.defs.resources import PipelineResource
from market_pipeline.defs.schedules import MAX_RUNTIME

if TYPE_CHECKING:
    from market_pipeline.local.remedies import Mended

POOL = "remedies"
FIRST = "dagster/priority"


def _restarting(remedy: str, what: str) -> dg.JobDefinition:
    @dg.op(name=f"{remedy}_now", pool=POOL, description=what)
    def now(context: dg.OpExecutionContext, pipeline: PipelineResource) -> None:
        from market_pipeline.local.remedies import mend

        with told_in_one_line():
            for mended in mend(pipeline.settings(), remedy):
                _tell(context, mended)

    @dg.job(name=remedy, description=what, tags={MAX_RUNTIME: "900", FIRST: "10"})
    def job() -> None:
        now()

    return job


def _tell(context: dg.OpExecutionContext, mended: "Mended") -> None:
    context.log.info(str(mended))
    context.add_output_metadata({mended.program: str(mended)})


class Which(dg.Config):
    """Which program, by its name in `market-pipeline status`."""

    program: str


@dg.op(pool=POOL, description="Restart one program, also one that hangs.")
def restart_program_now(context: dg.OpExecutionContext, config: Which, pipeline: PipelineResource) -> None:
    from market_pipeline.local.remedies import mend_one

    with told_in_one_line():
        mended = mend_one(pipeline.settings(), config.program)
    _tell(context, mended)


@dg.job(tags={MAX_RUNTIME: "600", FIRST: "10"}, description="Restart one program: asked for by the sensor `alerts`.")
def restart_program() -> None:
    restart_program_now()


restart_producer = _restarting(
    "restart_producer", "Restart the producer: what it has received is in the journal, and is sent by the new one."
)
restart_stream = _restarting(
    "restart_stream", "Restart the Spark stream: it goes on from its checkpoints, the same rows for the same trades."
)
restart_kafka = _restarting(
    "restart_kafka", "Restart Kafka and, when it answers, the producer and the stream; the journal bridges the time."
)
