"""The runbook's remedies as jobs: started by hand, from a message, or by an alert. Two never run at once."""

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING

import dagster as dg

from market_pipeline.defs.failures import told_in_one_line
from market_pipeline.defs.outcomes import kept_with_incident
from market_pipeline.defs.resources import PipelineResource
from market_pipeline.defs.schedules import MAX_RUNTIME
from market_pipeline.local.programs import EVERY_NAME

if TYPE_CHECKING:
    from market_pipeline.local.remedies import Mended

POOL = "remedies"
FIRST = "dagster/priority"


SYMBOLS = {"symbols": dg.Field([str], default_value=[], description="What the new producer subscribes, until `up`.")}
MEMORY = {"spark_driver_memory_mb": dg.Field(int, default_value=0, description="Heap of the new driver, until `up`.")}


def _restarting(remedy: str, what: str, choices: Mapping[str, dg.Field] | None = None) -> dg.JobDefinition:
    @dg.op(name=f"{remedy}_now", pool=POOL, description=what, config_schema=choices or {})
    def now(context: dg.OpExecutionContext, pipeline: PipelineResource) -> None:
        from market_pipeline.local.remedies import mend

        chosen = {name: value for name, value in context.op_config.items() if value}
        with told_in_one_line(), kept_with_incident(context, settings := pipeline.settings()) as keep:
            for mended in mend(settings, remedy, chosen):
                keep(mended)
                _tell(context, mended)

    @dg.job(name=remedy, description=what, tags={MAX_RUNTIME: "900", FIRST: "10"})
    def job() -> None:
        now()

    return job


def _tell(context: dg.OpExecutionContext, mended: "Mended") -> None:
    context.log.info(str(mended))
    context.add_output_metadata({mended.program: str(mended)})


Program = Enum("Program", {name: name for name in EVERY_NAME})  # type: ignore[misc]
"""All that a run may restart."""


class Which(dg.Config):
    """Which program, by its name in `market-pipeline status`."""

    program: Program
    incident: str = ""
    """For which it is done; one that is over meanwhile needs it no more."""


@dg.op(pool=POOL, description="Restart one program, also one that hangs.")
def restart_program_now(context: dg.OpExecutionContext, config: Which, pipeline: PipelineResource) -> None:
    from market_pipeline.alerts.ledger import Ledger
    from market_pipeline.local.remedies import mend_one, only_slow

    with told_in_one_line(), kept_with_incident(context, settings := pipeline.settings()) as keep:
        left, program = None, config.program.value
        if config.incident and Ledger(settings.paths.incidents).is_well(config.incident):
            left = f"it is over, or seems to be: {program} is left as it is"
        elif config.incident and only_slow(settings, program):
            left = f"{program} answers when it is given time: it is left as it is"
        if left is not None:
            keep(left, worked=None)
            context.log.info(left)
            return
        mended = mend_one(settings, program)
        keep(mended)
        _tell(context, mended)


@dg.job(tags={MAX_RUNTIME: "600", FIRST: "10"}, description="Restart one program: asked for by the sensor `alerts`.")
def restart_program() -> None:
    restart_program_now()


restart_producer = _restarting(
    "restart_producer",
    "Restart the producer, with other symbols if told: what it has received is in the journal, the new one sends it.",
    SYMBOLS,
)
restart_stream = _restarting(
    "restart_stream",
    "Restart the Spark stream, with more memory if told: it goes on from its checkpoints, same trades, same rows.",
    MEMORY,
)
restart_kafka = _restarting(
    "restart_kafka", "Restart Kafka and, when it answers, the producer and the stream; the journal bridges the time."
)
