"""Asset checks: ``market_pipeline.quality`` judges, ``market_pipeline.batch.day_checks`` reads."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from market_pipeline.defs.bronze import archive_and_tell
from market_pipeline.defs.failures import told_in_one_line
from market_pipeline.defs.partitions import DAILY, days_of
from market_pipeline.defs.resources import BatchSpark, PipelineResource

SHOWN_FAULTS = 20
Looked = tuple[int, Sequence[object]]
"""How many things were looked at, and the faults found."""


@dg.asset_check(asset="trades_raw", description="Kafka deleted no record before it was archived.")
def no_offsets_lost(pipeline: PipelineResource) -> dg.AssetCheckResult:
    from market_pipeline.bronze.archive import archive_gaps

    with told_in_one_line():
        gaps = archive_gaps(pipeline.settings())
    return _result(len(gaps), gaps, "gaps", dg.AssetCheckSeverity.WARN)


@dg.asset_check(
    asset="trades_silver",
    partitions_def=DAILY,
    pool="rebuild",
    description="No `trade_id` of the day stands at two places, under whatever symbol and time.",
)
def no_doubled_trade_id(context: dg.AssetCheckExecutionContext, pipeline: PipelineResource) -> dg.AssetCheckResult:
    from market_pipeline.batch.day_checks import silver_doubles

    settings = pipeline.settings()
    return _over_days(context, lambda day: silver_doubles(settings, day), "rows")


@dg.asset_check(
    asset="trades_silver",
    partitions_def=DAILY,
    pool="rebuild",
    description=(
        "Each record of bronze is a row of silver, rejected, or was sent again; over hours that are settled. Rows that "
        "have left silver, because their time to live is over, are told as expired."
    ),
)
def bronze_is_silver_plus_rejected(
    context: dg.AssetCheckExecutionContext, pipeline: PipelineResource, spark: BatchSpark
) -> dg.AssetCheckResult:
    from market_pipeline.batch.day_checks import accounts
    from market_pipeline.bronze.archive import summarise_day

    with told_in_one_line():
        settings, now = pipeline.settings(), datetime.now(UTC)
        archive_and_tell(context, settings)
        told, totals = [], []
        for day in days_of(context):
            held = summarise_day(settings, day)
            found = accounts(spark.for_rows(settings, held.rows), settings, day, now)
            told.append((day, found))
            totals.append(found)
    return dg.AssetCheckResult(
        passed=all(found.missing == 0 for found in totals),
        metadata={
            "records": sum(found.records for found in totals),
            "rejected": sum(found.rejected for found in totals),
            "sent again": sum(found.sent_again for found in totals),
            "silver": sum(found.silver for found in totals),
            "expired": sum(found.expired for found in totals),
            "missing": sum(found.missing for found in totals),
            "days": dg.MetadataValue.md("\n".join(f"- {day}: {found}" for day, found in told[:SHOWN_FAULTS])),
        },
    )


@dg.asset_check(
    asset="ohlcv_1m",
    partitions_def=DAILY,
    pool="rebuild",
    description="low ≤ open, close ≤ high; prices are positive; vwap, volume and trades fit each other.",
)
def bars_are_sane(context: dg.AssetCheckExecutionContext, pipeline: PipelineResource) -> dg.AssetCheckResult:
    from market_pipeline.batch.day_checks import bar_faults

    settings = pipeline.settings()
    return _over_days(context, lambda day: bar_faults(settings, day), "bars")


@dg.asset_check(
    asset="ohlcv_1m",
    additional_deps=["trades_silver"],  # a run of both must have put silver right before they are compared
    partitions_def=DAILY,
    pool="rebuild",
    description="The bars' volume is, hour by hour, the sum over silver; over hours that are settled and still there.",
)
def bar_volume_is_silver_volume(
    context: dg.AssetCheckExecutionContext, pipeline: PipelineResource
) -> dg.AssetCheckResult:
    from market_pipeline.batch.day_checks import bar_volume_faults

    settings, now = pipeline.settings(), datetime.now(UTC)
    return _over_days(context, lambda day: bar_volume_faults(settings, day, now), "hours")


@dg.asset_check(
    asset="ohlcv_1m",
    partitions_def=DAILY,
    pool="rebuild",
    description=("The stream's bars are the batch's to the last digit. Materialising the day repairs one that is not."),
)
def stream_bars_are_batch_bars(
    context: dg.AssetCheckExecutionContext, pipeline: PipelineResource, spark: BatchSpark
) -> dg.AssetCheckResult:
    from market_pipeline.batch.day_checks import bar_differences
    from market_pipeline.bronze.archive import summarise_day

    with told_in_one_line():
        settings, now = pipeline.settings(), datetime.now(UTC)
        archive_and_tell(context, settings)

    def look(day: date) -> Looked:
        rows = summarise_day(settings, day).rows
        return bar_differences(spark.for_rows(settings, rows), settings, day, now)

    return _over_days(context, look, "bars", dg.AssetCheckSeverity.WARN)


@dg.asset_check(
    asset="ohlcv_1d",
    partitions_def=DAILY,
    pool="rebuild",
    description="low ≤ open, close ≤ high; and the day is the sum of its minutes.",
)
def daily_bars_are_sane(context: dg.AssetCheckExecutionContext, pipeline: PipelineResource) -> dg.AssetCheckResult:
    from market_pipeline.batch.day_checks import daily_bar_faults

    settings, now = pipeline.settings(), datetime.now(UTC)
    return _over_days(context, lambda day: daily_bar_faults(settings, day, now), "bars")


@dg.asset_check(
    asset="latest_prices",
    description="A market that has been in session for 10 minutes has a price newer than that, by its calendar.",
)
def fresh_in_trading_hours(pipeline: PipelineResource) -> dg.AssetCheckResult:
    from market_pipeline.batch.day_checks import newest_prices
    from market_pipeline.quality.freshness import judge

    with told_in_one_line():
        now = datetime.now(UTC)
        markets = judge(newest_prices(pipeline.settings(), now), now)
    return dg.AssetCheckResult(
        passed=not any(market.stale for market in markets),
        metadata={"markets": dg.MetadataValue.md("\n".join(f"- {market}" for market in markets) or "no symbols")},
    )


def _over_days(
    context: dg.AssetCheckExecutionContext,
    look: Callable[[date], Looked],
    what: str,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    count, faults = 0, list[object]()
    with told_in_one_line():
        for day in days_of(context):
            seen, found = look(day)
            count += seen
            faults += found
    return _result(count, faults, what, severity)


def _result(
    count: int, faults: Sequence[object], what: str, severity: dg.AssetCheckSeverity
) -> dg.AssetCheckResult:  # fmt: skip
    metadata: dict[str, Any] = {what: count, "faults": len(faults)}
    if faults:
        metadata["first faults"] = dg.MetadataValue.md("\n".join(f"- {fault}" for fault in faults[:SHOWN_FAULTS]))
    return dg.AssetCheckResult(passed=not faults, severity=severity, metadata=metadata)
