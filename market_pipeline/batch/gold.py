"""Builds a UTC day of the gold tables ``ohlcv_1d`` and ``symbol_daily_stats`` from the bronze archive, by Spark.

Spark does what takes a look at each trade; what is left, a row a symbol and a close a minute, fits a list.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from cassandra.cluster import Session
from pyspark.sql import DataFrame, SparkSession

from market_pipeline.batch.daily_tables import Replaced, replace_day, trades_of_rows
from market_pipeline.batch.down_times import down_times, lasting
from market_pipeline.batch.exact_vwap import with_exact_vwap
from market_pipeline.bronze.archive import reading
from market_pipeline.bronze.lacking import lacking
from market_pipeline.bronze.trades import trades_of_day
from market_pipeline.model import COMPLETE, OHLCV_1D, SYMBOL_DAILY_STATS, Column, Kind
from market_pipeline.quality.minutes import (
    DownTime,
    MinuteState,
    minutes_of,
    seconds_within,
    states,
    unheard_minutes,
)
from market_pipeline.sessions import MarketKind, Span, kind_of, open_spans, regular_hours, utc_day
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.store.completeness import judge_day
from market_pipeline.stream.daily import to_day_stats, to_minute_closes
from market_pipeline.stream.transforms import to_bars, to_day_rows
from market_pipeline.utc_day import day_start, instant
from market_pipeline.volatility import realised_volatility

TIMES = {c.name for c in SYMBOL_DAILY_STATS if c.kind is Kind.TIMESTAMP}
DECIMALS = {c.name for c in SYMBOL_DAILY_STATS + OHLCV_1D if c.kind in (Kind.PRICE, Kind.VOLUME, Kind.VWAP)}
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class BuiltDay:
    """A day as it was built: its rows, and what that changed in the table."""

    day: date
    rows: Rows
    replaced: Replaced
    seconds: float


def build_day_bars(spark: SparkSession | None, settings: Settings, day: date) -> BuiltDay:
    """Rebuild a day of ``ohlcv_1d`` and judge it. ``spark`` may be None when the archive has no record of the day."""

    def bars(trades: DataFrame, _: Session) -> Rows:
        found = to_day_rows(to_bars(trades, "1 day"))
        return [_typed(with_exact_vwap(row.asDict())) for row in found.toLocalIterator()]

    return _build(spark, settings, day, "ohlcv_1d", OHLCV_1D, bars, _judge)


def build_day_stats(spark: SparkSession | None, settings: Settings, day: date) -> BuiltDay:
    """Rebuild a day of ``symbol_daily_stats``. ``spark`` may be None when the archive has no record of the day."""

    def stats(trades: DataFrame, session: Session) -> Rows:
        regular = regular_hours(day)
        rows = [_typed(with_exact_vwap(row.asDict())) for row in to_day_stats(trades, regular).toLocalIterator()]
        closes: dict[str, list[tuple[datetime, float]]] = {}
        for row in to_minute_closes(trades).orderBy("symbol", "ts").toLocalIterator():
            closes.setdefault(row.symbol, []).append((instant(row.ts), row.close))
        now = datetime.now(UTC)
        still_down = lasting(settings, now)
        known = {row["symbol"]: down_times(session, settings, row["symbol"], day, still_down) for row in rows}
        return complete_stats(day, rows, closes, known, regular, now)

    return _build(spark, settings, day, "symbol_daily_stats", SYMBOL_DAILY_STATS, stats)


def complete_stats(
    day: date,
    rows: Rows,
    closes: Mapping[str, Sequence[tuple[datetime, float]]],
    not_heard: Mapping[str, Sequence[DownTime]],
    regular: Span | None,
    now: datetime,
) -> Rows:
    """Add what needs the calendar, the minutes in their order, and the feed's down-times. Pure."""
    completed = []
    start, end = utc_day(day)
    for row in rows:
        symbol = row["symbol"]
        minutes = closes.get(symbol, ())
        if kind_of(symbol) is MarketKind.STOCK:
            counted = [close for at, close in minutes if regular and regular[0] <= at < regular[1]]
        else:
            counted = [close for _, close in minutes]
        spans = open_spans(symbol, start, end)
        market_open = set(minutes_of(spans, end))
        down = not_heard.get(symbol, ())
        open_and_over = minutes_of(spans, now)
        traded, unheard = {at for at, _ in minutes}, unheard_minutes(down, start, end)
        counts = Counter(state for _, state in states(open_and_over, traded, unheard))
        completed.append(
            row
            | {
                "realised_volatility": realised_volatility(counted),
                "minutes_traded": len(minutes),
                "minutes_open": len(market_open),
                "coverage": len(traded & market_open) / len(market_open) if market_open else None,
                "gap_seconds": seconds_within(down, start, min(end, now)),
                "minutes_quiet": counts[MinuteState.QUIET],
                "minutes_unknown": counts[MinuteState.UNKNOWN],
            }
        )
    return completed


def _judge(session: Session, settings: Settings, day: date, rows: Rows, as_of_us: int) -> None:
    """Whether the feed listened through the day, for every bar of it, those that were kept included."""
    still_down = lasting(settings, datetime.now(UTC))
    found = {}
    for symbol in trades_of_rows(session, settings, "ohlcv_1d", day):
        known = down_times(session, settings, symbol, day, still_down, as_of_us)
        found[symbol] = judge_day(session, settings, symbol, day, known, as_of_us)
    for row in rows:
        row[COMPLETE.name] = found.get(row["symbol"])


def _build(
    spark: SparkSession | None,
    settings: Settings,
    day: date,
    table: str,
    columns: Sequence[Column],
    compute: Callable[[DataFrame, Session], Rows],
    judge: Callable[[Session, Settings, date, Rows, int], None] | None = None,
) -> BuiltDay:
    """Compute the day's rows and put them in place of those in the table; then ``judge`` what is there."""
    began, as_of_us = time.monotonic(), time.time_ns() // 1000
    computed = [column for column in columns if column is not COMPLETE]
    with reading(settings), connect(settings) as session:
        trades = trades_of_day(spark, settings, day)
        rows: Rows = [] if trades is None else compute(trades, session)
        rows.sort(key=lambda row: str(row["symbol"]))
        may_lack = lacking(settings, day).minute(day_start(day))
        replaced = replace_day(session, settings, table, computed, day, rows, as_of_us, may_lack=may_lack)
        if judge is not None:
            judge(session, settings, day, rows, as_of_us)
    return BuiltDay(day, rows, replaced, time.monotonic() - began)


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    """A row as Cassandra's driver wants it: decimals come from Spark as text, times as epoch milliseconds."""
    typed = dict(row)
    for name, value in row.items():
        if value is not None and name in DECIMALS:
            typed[name] = Decimal(value)
        elif value is not None and name in TIMES:
            typed[name] = instant(value)
    return typed
