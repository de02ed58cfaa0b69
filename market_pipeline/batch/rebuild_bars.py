"""Corrects a UTC day of ``ohlcv_1m`` by the batch's bars, beside the running stream.

Bars are written and deleted with ``as_of_us``, a moment before bronze was brought up to date, as Cassandra's write
time: what the stream writes in the meantime knows more and wins. Only bars that differ are written, and all of them
before any is deleted. Where Kafka lost records before they were archived, a bar of more trades than bronze has stays.
At last each bar of the day is judged: whether the feed listened through all of its minute.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from market_pipeline.batch.down_times import down_times, lasting
from market_pipeline.batch.exact_vwap import with_exact_vwap
from market_pipeline.bronze.archive import reading
from market_pipeline.bronze.lacking import Lacking, lacking
from market_pipeline.bronze.trades import trades_of_day, utc
from market_pipeline.model import COMPLETE, OHLCV_1M
from market_pipeline.quality.bars import differing_figure
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import CONCURRENT_STATEMENTS, connect, prepared
from market_pipeline.store.completeness import judge_minutes
from market_pipeline.store.trades import symbols
from market_pipeline.stream.transforms import exact_notional, to_bars, to_minute_rows
from market_pipeline.utc_day import instant

FIGURES = tuple(c.name for c in OHLCV_1M if c.name not in ("symbol", "day", "ts", COMPLETE.name))
Bars = Mapping[datetime, Mapping[str, Any]]
"""A symbol's bars by their start (UTC): ``FIGURES`` by name."""


@dataclass
class BarsDay:
    """A rebuilt day: its bars in bronze, of which ``repaired`` were missing or wrong; ``removed`` were too many, and
    ``kept`` may hold trades that bronze lacks; ``incomplete`` of the stored ones overlap a down-time of the feed.

    ``closes`` are those of the busiest symbol, one a minute.
    """

    rows: int = 0
    repaired: int = 0
    removed: int = 0
    kept: int = 0
    incomplete: int = 0
    busiest: str = ""
    closes: list[float | None] = field(default_factory=list)
    seconds: float = 0.0


def rebuild(spark: SparkSession | None, settings: Settings, day: date, as_of_us: int) -> BarsDay:
    """Make the day's bars equal to the batch's, save those that may hold trades which bronze lacks.

    Raises:
        ArchiveError: the archive's manifest is damaged.
        StoreUnreachableError: Cassandra does not answer.
    """
    began, done = time.monotonic(), BarsDay()
    with reading(settings), connect(settings) as session:
        table = _Table(session, settings, day, as_of_us, lacking(settings, day))
        left = set(symbols(session, settings))
        still_down, most = lasting(settings, datetime.now(UTC)), 0

        def judge(symbol: str) -> None:
            known = down_times(session, settings, symbol, day, still_down, as_of_us)
            done.incomplete += judge_minutes(session, settings, symbol, day, known, as_of_us)

        for symbol, bars in batch_bars(spark, settings, day):
            left.discard(symbol)
            done.rows += len(bars)
            table.correct(symbol, bars, done)
            judge(symbol)
            if (trades := sum(bar["trades"] for bar in bars.values())) >= most:
                most, done.busiest, done.closes = trades, symbol, _closes(bars, day)
        for symbol in sorted(left):
            table.correct(symbol, {}, done)
            judge(symbol)
    done.seconds = time.monotonic() - began
    return done


def batch_bars(spark: SparkSession | None, settings: Settings, day: date) -> Iterator[tuple[str, Bars]]:
    """The batch's bars of one minute, a symbol at a time. Use it within ``archive.reading``."""
    trades = trades_of_day(spark, settings, day)
    if trades is None:
        return
    bars = to_minute_rows(to_bars(trades, more=exact_notional()))
    rows = bars.withColumn("ts", F.unix_millis("ts")).orderBy("symbol", "ts")
    for symbol, of_symbol in groupby(rows.toLocalIterator(), key=lambda row: str(row.symbol)):
        yield symbol, {instant(bar.ts): _figures(with_exact_vwap(bar.asDict())) for bar in of_symbol}


def stored_bars(session: Session, settings: Settings, symbol: str, day: date) -> Bars:
    """A symbol's bars of one minute as the table has them."""
    names = ", ".join(FIGURES)
    ask = prepared(session, f"SELECT ts, {names} FROM {settings.keyspace}.ohlcv_1m WHERE symbol = ? AND day = ?")
    return {utc(row.ts): {name: getattr(row, name) for name in FIGURES} for row in session.execute(ask, (symbol, day))}


@dataclass(frozen=True)
class Corrections:
    """What is to be done with stored bars, by their start: written, deleted, or kept because bronze may know less."""

    wrong: list[datetime]
    extra: list[datetime]
    kept: list[datetime]


def corrections(stored: Bars, batch: Bars, may_lack: Lacking) -> Corrections:
    """Compare a symbol's bars. Pure."""
    wrong = [at for at, bar in batch.items() if at not in stored or differing_figure(stored[at], bar) is not None]
    extra = sorted(stored.keys() - batch.keys())
    kept = {at for at in extra if may_lack.minute(at)}
    kept |= {at for at in wrong if at in stored and may_lack.minute(at) and _has_more(stored[at], batch[at])}
    return Corrections([at for at in wrong if at not in kept], [at for at in extra if at not in kept], sorted(kept))


def _has_more(stored: Mapping[str, Any], batch: Mapping[str, Any]) -> bool:
    return bool((stored["trades"] or 0) > batch["trades"])


class _Table:
    def __init__(self, session: Session, settings: Settings, day: date, as_of_us: int, may_lack: Lacking) -> None:
        self._session, self._settings, self._day, self._as_of_us = session, settings, day, as_of_us
        self._may_lack = may_lack
        names = ["symbol", "day", "ts", *FIGURES]
        self._insert = session.prepare(
            f"INSERT INTO {settings.keyspace}.ohlcv_1m ({', '.join(names)}) "
            f"VALUES ({', '.join('?' * len(names))}) USING TIMESTAMP ?"
        )
        self._remove = session.prepare(
            f"DELETE FROM {settings.keyspace}.ohlcv_1m USING TIMESTAMP ? WHERE symbol = ? AND day = ? AND ts = ?"
        )

    def correct(self, symbol: str, bars: Bars, done: BarsDay) -> None:
        """Make the table hold these bars, and count in ``done`` what that took."""
        stored = stored_bars(self._session, self._settings, symbol, self._day)
        found = corrections(stored, bars, self._may_lack)
        done.kept += len(found.kept)
        if not found.wrong and not found.extra:
            return
        key = (symbol, self._day)
        written = [(*key, at, *(bars[at][name] for name in FIGURES), self._as_of_us) for at in found.wrong]
        self._run(self._insert, written)
        self._run(self._remove, [(self._as_of_us, *key, at) for at in found.extra])
        # bars that the stream has written since know more, and stay as they are
        after = stored_bars(self._session, self._settings, symbol, self._day)
        done.repaired += sum(after.get(at) == bars[at] for at in found.wrong)
        done.removed += sum(at not in after for at in found.extra)

    def _run(self, statement: Any, arguments: Sequence[tuple[Any, ...]]) -> None:
        execute_concurrent_with_args(self._session, statement, arguments, concurrency=CONCURRENT_STATEMENTS)


def _figures(row: dict[str, Any]) -> dict[str, Any]:
    return {n: Decimal(row[n]) if n != "trades" and row[n] is not None else row[n] for n in FIGURES}


def _closes(bars: Bars, day: date) -> list[float | None]:
    """A close for each minute of the day, None where nothing was traded."""
    by_minute = {at.hour * 60 + at.minute: float(bar["close"]) for at, bar in bars.items()}
    return [by_minute.get(minute) for minute in range(24 * 60)]
