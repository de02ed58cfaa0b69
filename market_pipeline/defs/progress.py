"""Reports what the producer and the stream do on the assets that they keep.

The sensors read two small files. New data is a materialisation, because Dagster's freshness counts only those; the
state of the program is an observation.

A page shows a check as "Not evaluated" once there is a newer materialisation of what it checked. So only the first data
of a day is reported as one of that day's partition, and the rest of the day as one of the asset: the checks of a day
stay what the run of that day found. A check of a whole asset is cheap, and is evaluated with each report.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg

from market_pipeline.defs.checks import fresh_in_trading_hours, no_offsets_lost
from market_pipeline.defs.partitions import FIRST_PARTITION
from market_pipeline.defs.resources import PipelineResource
from market_pipeline.supervision.heartbeat import Beat, read_heartbeat
from market_pipeline.supervision.progress import (
    Report,
    Told,
    decode_told,
    encode_told,
    gaps_report,
    producer_report,
    stream_report,
)

LOOK_EVERY_S = 30
CHECKS = {"trades_raw": no_offsets_lost, "latest_prices": fresh_in_trading_hours}
"""The check of a whole asset, by the asset."""
EARLIER_DAYS = "`market-pipeline restart dagster-code-server` adds the days before it to the pages"
Judge = Callable[[Beat | None, Told, float], Report]

ASSETS: dict[str, dict[str, Judge]] = {
    "producer": {"trades_raw": producer_report, "feed_gaps": gaps_report},
    "stream": {"trades_silver": stream_report, "latest_prices": stream_report, "ohlcv_1m": stream_report},
}
"""Each program, the assets that it keeps, and what its heartbeat says of each."""


@dg.sensor(
    minimum_interval_seconds=LOOK_EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reports the producer's progress on trades_raw, from its heartbeat.",
)
def producer_progress(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SensorResult:
    return look(context, pipeline, "producer")


@dg.sensor(
    minimum_interval_seconds=LOOK_EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reports the stream's progress on trades_silver, latest_prices and ohlcv_1m, from its heartbeat.",
)
def stream_progress(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SensorResult:
    return look(context, pipeline, "stream")


def look(
    context: dg.SensorEvaluationContext,
    pipeline: PipelineResource,
    program: str,
    now: Callable[[], float] = time.time,
) -> dg.SensorResult:
    """One look at a program; the cursor keeps what was told of each asset."""
    told = decode_told(context.cursor)
    beat, moment = read_heartbeat(pipeline.settings().paths.heartbeat(program)), now()
    reports = {key: judge(beat, told.get(key, Told()), moment) for key, judge in ASSETS[program].items()}
    events: list[dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation] = []
    for key, report in reports.items():
        if report.advanced:
            events.append(_materialization(key, report))
            if (check := CHECKS.get(key)) is not None:
                events += _evaluations(context, check, pipeline)
        if report.observed:
            events.append(dg.AssetObservation(key, metadata={"state": report.state, **report.figures}))
    first = next(iter(reports.values()))
    said = [f"{program}: {first.state}"]
    if first.newest is not None:
        said.append(f"newest trade {first.newest.isoformat(timespec='milliseconds')}")
    advanced = [key for key, report in reports.items() if report.advanced]
    if advanced:
        said.append(f"new data reported of {', '.join(advanced)}")
    if first.day is not None and first.day < FIRST_PARTITION:
        said.append(f"partitions begin on {FIRST_PARTITION}; {EARLIER_DAYS}")
    cursor = encode_told({key: report.told for key, report in reports.items()})
    return dg.SensorResult(asset_events=events, cursor=cursor, skip_reason=dg.SkipReason(", ".join(said)))


def _materialization(key: str, report: Report) -> dg.AssetMaterialization:
    metadata: dict[str, Any] = {"state": report.state, **report.figures}
    if report.newest is not None:
        metadata["last trade"] = dg.MetadataValue.timestamp(report.newest)
    return dg.AssetMaterialization(key, metadata=metadata, partition=str(report.day) if report.new_day else None)


def _evaluations(
    context: dg.SensorEvaluationContext, check: dg.AssetChecksDefinition, pipeline: PipelineResource
) -> Iterator[dg.AssetCheckEvaluation]:
    """The check's result as it is now; none where it can't be had, which the alerts notice."""
    try:
        found: Any = check(pipeline=pipeline)
    except dg.DagsterUserCodeExecutionError as error:
        reason = getattr(error.user_exception, "description", error.user_exception)
        context.log.warning(f"{check.check_key.to_user_string()} is not evaluated: {reason}")
        return
    yield dg.AssetCheckEvaluation(
        asset_key=check.check_key.asset_key,
        check_name=check.check_key.name,
        passed=found.passed,
        metadata=found.metadata,
        severity=found.severity,
    )
