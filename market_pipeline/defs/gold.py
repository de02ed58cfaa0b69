"""Gold: bars of a minute, kept by the stream, and what is built once a day: daily bars and statistics."""

import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from market_pipeline.charts import bar_chart, line_chart
from market_pipeline.defs.bronze import archive_and_tell
from market_pipeline.defs.description import DAY_HOURS, KEPT, OWNERS, RUNBOOK_STREAM, day_metadata, table_metadata
from market_pipeline.defs.failures import told_in_one_line
from market_pipeline.defs.partitions import DAILY, ONE_RUN, days_of
from market_pipeline.defs.resources import BatchSpark, PipelineResource
from market_pipeline.defs.silver import FRESH, KEPT_BY
from market_pipeline.model import FEED_GAPS, OHLCV_1D, OHLCV_1M, SYMBOL_DAILY_STATS

if TYPE_CHECKING:
    from market_pipeline.batch.gold import BuiltDay

KEPT_BY_BATCH = "the schedule daily_gold, after midnight UTC; any day can be built again"
DAILY_FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=30), warn_window=timedelta(hours=26))
SHOWN_SYMBOLS = 12
BAR_COLUMNS = ("symbol", "open", "high", "low", "close", "volume", "vwap", "trades", "complete")
STATS_COLUMNS = ("symbol", "trades", "volume", "vwap", "realised_volatility", "coverage", "minutes_unknown")


feed_gaps = dg.AssetSpec(
    "feed_gaps",
    group_name="feed",
    description=(
        "When the feed was down, by symbol and UTC day of the start. The producer writes it as it notices; a "
        "materialisation reports new rows."
    ),
    kinds={"cassandra"},
    owners=OWNERS,
    metadata=table_metadata("feed_gaps", FEED_GAPS, "(symbol, day), started_at desc", "the producer"),
)


@dg.asset(
    group_name="gold",
    deps=["trades_raw", "feed_gaps"],
    partitions_def=DAILY,
    backfill_policy=ONE_RUN,
    kinds={"spark", "cassandra", "gold"},
    owners=OWNERS,
    tags={"layer": "gold"},
    pool="rebuild",
    freshness_policy=FRESH,
    metadata=table_metadata("ohlcv_1m", OHLCV_1M, "(symbol, day), ts desc", KEPT_BY)
    | {"if it is late": RUNBOOK_STREAM},
)
def ohlcv_1m(context: dg.AssetExecutionContext, pipeline: PipelineResource, spark: BatchSpark) -> None:
    """Bars of one minute, keyed by their start; open and close by (event time, trade_id), never by order of arrival.

    **Materialising a day** computes its bars from bronze with the stream's own transforms, repairs those that differ
    and deletes those without a trade; bars of trades that bronze may have
    lost are kept and counted. Then it judges each bar: `complete` is false where a down-time of the feed overlaps the
    minute, true where none does; the stream leaves it null. Safe beside the running stream.
    """
    from market_pipeline.batch import rebuild_bars
    from market_pipeline.bronze import archive

    with told_in_one_line():
        settings = pipeline.settings()
        as_of_us = time.time_ns() // 1000
        archive_and_tell(context, settings)
        for day in days_of(context):
            held = archive.summarise_day(settings, day)
            done = rebuild_bars.rebuild(spark.for_rows(settings, held.rows), settings, day, as_of_us)
            context.log.info(f"{day}: {done.rows:,} bars, {done.repaired:,} repaired, {done.removed:,} removed")
            metadata = day_metadata(
                rows=done.rows,
                bytes_=held.bytes,
                seconds=done.seconds,
                first=held.first_trade,
                last=held.last_trade,
                chart=line_chart(f"{done.busiest} by minute, {day} (UTC)", DAY_HOURS, done.closes),
                more={
                    "bars repaired": done.repaired,
                    "bars removed": done.removed,
                    KEPT: done.kept,
                    "bars incomplete": done.incomplete,
                },
            )
            context.add_asset_metadata(metadata, partition_key=day.isoformat())


@dg.asset(
    group_name="gold",
    # its trades come from bronze; its check compares it with the minutes, which a run must have put right before
    deps=["trades_raw", "ohlcv_1m", "feed_gaps"],
    partitions_def=DAILY,
    backfill_policy=ONE_RUN,
    kinds={"pyspark", "cassandra", "gold"},
    owners=OWNERS,
    tags={"layer": "gold"},
    pool="rebuild",
    freshness_policy=DAILY_FRESH,
    metadata=table_metadata("ohlcv_1d", OHLCV_1D, "symbol, day desc", KEPT_BY_BATCH),
)
def ohlcv_1d(context: dg.AssetExecutionContext, pipeline: PipelineResource, spark: BatchSpark) -> None:
    """Bars of one UTC day, one row a symbol, summed exactly from the day's trades in bronze.

    **Materialising a day** replaces its rows one by one and then deletes symbols that have no trade, so that readers
    always find it. Rows of trades that bronze may have lost are kept and counted. `complete` tells whether the feed
    listened all the time in which the symbol's market was open.
    """
    from market_pipeline.batch.gold import build_day_bars

    _build_days(context, pipeline, spark, build_day_bars, "volume", BAR_COLUMNS)


@dg.asset(
    group_name="gold",
    deps=["trades_raw", "feed_gaps"],
    partitions_def=DAILY,
    backfill_policy=ONE_RUN,
    kinds={"pyspark", "cassandra", "gold"},
    owners=OWNERS,
    tags={"layer": "gold"},
    pool="rebuild",
    freshness_policy=DAILY_FRESH,
    metadata=table_metadata("symbol_daily_stats", SYMBOL_DAILY_STATS, "symbol, day desc", KEPT_BY_BATCH),
)
def symbol_daily_stats(context: dg.AssetExecutionContext, pipeline: PipelineResource, spark: BatchSpark) -> None:
    """What a symbol did on a UTC day: trades, volume, vwap, the largest trade, the regular session of stocks, realised
    volatility of 1-minute closes, coverage of the open minutes by the exchange's calendar, and seconds without a feed.
    An open minute without a trade is quiet when the feed listened, else unknown.

    **Materialising a day** computes it from bronze and the feed's gaps and replaces its rows as `ohlcv_1d` does.
    """
    from market_pipeline.batch.gold import build_day_stats

    _build_days(context, pipeline, spark, build_day_stats, "trades", STATS_COLUMNS)


def _build_days(
    context: dg.AssetExecutionContext,
    pipeline: PipelineResource,
    spark: BatchSpark,
    build: "Callable[[Any, Any, date], BuiltDay]",
    shown: str,
    columns: tuple[str, ...],
) -> None:
    from market_pipeline.bronze import archive

    with told_in_one_line():
        settings = pipeline.settings()
        archive_and_tell(context, settings)
        for day in days_of(context):
            held = archive.summarise_day(settings, day)
            done = build(spark.for_rows(settings, held.rows), settings, day)
            context.log.info(f"{day}: {len(done.rows):,} rows, {done.replaced.removed:,} removed, {done.seconds:.1f} s")
            metadata = day_metadata(
                rows=len(done.rows),
                bytes_=held.bytes,
                seconds=done.seconds,
                first=held.first_trade,
                last=held.last_trade,
                chart=_by_symbol(f"{shown.capitalize()} by symbol, {day} (UTC)", done.rows, shown),
                more={"rows removed": done.replaced.removed, KEPT: done.replaced.kept, **_table(done.rows, columns)},
            )
            context.add_asset_metadata(metadata, partition_key=day.isoformat())


def _by_symbol(title: str, rows: list[dict[str, Any]], name: str) -> str:
    most = sorted(rows, key=lambda row: row[name] or 0, reverse=True)[:SHOWN_SYMBOLS]
    return bar_chart(title, [row["symbol"] for row in most], [float(row[name] or 0) for row in most], slots=True)


def _table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> dict[str, Any]:
    """The day's rows as the UI shows a table; a few, since every materialisation keeps its own."""
    shown = [dg.TableRecord({name: _plain(row[name]) for name in columns}) for row in rows[:SHOWN_SYMBOLS]]
    return {"rows": dg.MetadataValue.table(shown)} if shown else {}


def _plain(value: Any) -> str | int | float | None:
    if isinstance(value, float):
        return round(value, 6)
    return value if isinstance(value, int) or value is None else str(value)
