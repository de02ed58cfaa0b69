"""Corrects a UTC day of ``ohlcv_1m`` by the batch's bars, beside the running stream.

A bar's write time in Cassandra tells how much it knows, as the stream's writer has it (``Bar.java``): of two sets of
trades one of which is part of the other, the larger has the later. So what the stream writes meanwhile wins where it
knows more. A stored bar that differs and yet claims to know as much is overwritten, unless silver has more trades of
its minute than bronze: those are on their way into the archive. Only bars that differ are written, and all of them
before any is deleted. Where Kafka lost records before they were archived, a bar of more trades than bronze has stays.
At last each bar of the day is judged: whether the feed listened through all of its minute.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from market_pipeline.batch.down_times import down_times, lasting
from market_pipeline.batch.exact_vwap import with_exact_vwap
from market_pipeline.batch.write_time import outbid
from market_pipeline.bronze.archive import reading
from market_pipeline.bronze.lacking import Lacking, lacking
from market_pipeline.bronze.trades import trades_of_day, utc
from market_pipeline.model import COMPLETE, OHLCV_1M
from market_pipeline.quality.bars import differing_figure
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import CONCURRENT_STATEMENTS, connect, prepared
from market_pipeline.store.completeness import judge_minutes
from market_pipeline.store.trades import symbols
from market_pipeline.stream.transforms import to_bars, to_minute_rows
from market_pipeline.utc_day import instant

FIGURES = tuple(c.name for c in OHLCV_1M if c.name not in ("symbol", "day", "ts", COMPLETE.name))
Bars = Mapping[datetime, Mapping[str, Any]]
"""A symbol's bars by their start (UTC): ``FIGURES`` by name."""
Minutes = Sequence[datetime]


class Known(NamedTuple):
    """How much a bar knows: the trades and price updates that it is made of, and when the newest was received (epoch
    milliseconds)."""

    size: int
    newest_ms: int

    @property
    def write_us(self) -> int:
        """The write time of its row, epoch microseconds (``Bar.writeTime`` in Java)."""
        return self.newest_ms * 1000 + self.size


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
        table = _Table(session, settings, day, lacking(settings, day), as_of_us)
        left = set(symbols(session, settings))
        still_down, most = lasting(settings, datetime.now(UTC)), 0

        def judge(symbol: str) -> None:
            down = down_times(session, settings, symbol, day, still_down, as_of_us)
            done.incomplete += judge_minutes(session, settings, symbol, day, down, as_of_us)

        for symbol, bars, known in batch_bars(spark, settings, day):
            left.discard(symbol)
            done.rows += len(bars)
            table.correct(symbol, bars, known, done)
            judge(symbol)
            if (trades := sum(bar["trades"] for bar in bars.values())) >= most:
                most, done.busiest, done.closes = trades, symbol, _closes(bars, day)
        for symbol in sorted(left):
            table.correct(symbol, {}, {}, done)
            judge(symbol)
    done.seconds = time.monotonic() - began
    return done


def batch_bars(
    spark: SparkSession | None, settings: Settings, day: date
) -> Iterator[tuple[str, Bars, Mapping[datetime, Known]]]:
    """The batch's bars of one minute, a symbol at a time, and how much each knows.

    Use it within ``archive.reading``.
    """
    trades = trades_of_day(spark, settings, day)
    if trades is None:
        return
    more = {"size": F.count(F.lit(1)), "newest_ms": F.max(F.unix_millis("received_at"))}
    rows = to_minute_rows(to_bars(trades, more=more)).withColumn("ts", F.unix_millis("ts")).orderBy("symbol", "ts")
    for symbol, of_symbol in groupby(rows.toLocalIterator(), key=lambda row: str(row.symbol)):
        minutes = list(of_symbol)
        bars = {instant(bar.ts): _figures(with_exact_vwap(bar.asDict())) for bar in minutes}
        yield symbol, bars, {instant(bar.ts): Known(bar["size"], bar.newest_ms) for bar in minutes}


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
    def __init__(self, session: Session, settings: Settings, day: date, may_lack: Lacking, as_of_us: int) -> None:
        self._session, self._settings, self._day = session, settings, day
        self._may_lack, self._as_of_us = may_lack, as_of_us
        bars, trades = f"{settings.keyspace}.ohlcv_1m", f"{settings.keyspace}.trades_silver"
        names = ["symbol", "day", "ts", *FIGURES]
        values = ", ".join("?" * len(names))
        self._insert = session.prepare(f"INSERT INTO {bars} ({', '.join(names)}) VALUES ({values}) USING TIMESTAMP ?")
        self._remove = session.prepare(f"DELETE FROM {bars} USING TIMESTAMP ? WHERE symbol = ? AND day = ? AND ts = ?")
        times = ", ".join(f"WRITETIME({name})" for name in (*FIGURES, COMPLETE.name))
        self._times = session.prepare(f"SELECT ts, {times} FROM {bars} WHERE symbol = ? AND day = ?")
        self._count = session.prepare(
            f"SELECT count(*) AS n FROM {trades} WHERE symbol = ? AND bucket = ? AND ts >= ? AND ts < ?"
        )

    def correct(self, symbol: str, bars: Bars, known: Mapping[datetime, Known], done: BarsDay) -> None:
        """Make the table hold these bars, and count in ``done`` what that took."""
        stored = stored_bars(self._session, self._settings, symbol, self._day)
        found = corrections(stored, bars, self._may_lack)
        done.kept += len(found.kept)
        wrong = found.wrong
        # a second time, and later, where somebody deleted the row: that hides what is older
        for at_least_us in (0, self._as_of_us):
            if not wrong:
                break
            self._write(symbol, wrong, bars, known, at_least_us)
            after = stored_bars(self._session, self._settings, symbol, self._day)
            wrong = [at for at in wrong if after.get(at) != bars[at]]
        done.repaired += len(found.wrong) - len(wrong)
        if found.extra:
            done.removed += self._delete(symbol, found.extra)

    def _write(
        self, symbol: str, minutes: Minutes, bars: Bars, known: Mapping[datetime, Known], at_least_us: int
    ) -> None:
        written = self._written(symbol)
        rows = [
            (
                *(symbol, self._day, at),
                *(bars[at][name] for name in FIGURES),
                max(outbid(known[at].write_us, written.get(at)), at_least_us),
            )
            for at in self._outdone(symbol, minutes, known, written)
        ]
        self._run(self._insert, rows)

    def _delete(self, symbol: str, minutes: Minutes) -> int:
        written = self._written(symbol)
        gone = self._outdone(symbol, minutes, {}, written)
        self._run(self._remove, [(written.get(at, self._as_of_us), symbol, self._day, at) for at in gone])
        after = stored_bars(self._session, self._settings, symbol, self._day)
        return sum(at not in after for at in gone)

    def _written(self, symbol: str) -> dict[datetime, int]:
        """When each row was written last, epoch microseconds."""
        rows = self._session.execute(self._times, (symbol, self._day))
        return {utc(row[0]): max(us or 0 for us in row[1:]) for row in rows}

    def _outdone(
        self, symbol: str, minutes: Minutes, known: Mapping[datetime, Known], written: Mapping[datetime, int]
    ) -> list[datetime]:
        """The minutes of which bronze has all trades that silver has: a stored bar that claims to know as much as
        bronze, and differs, may be made of trades that are on their way into the archive."""
        return [
            at
            for at in minutes
            if at not in written
            or (at in known and written[at] < known[at].write_us)
            or self._in_silver(symbol, at) <= (known[at].size if at in known else 0)
        ]

    def _in_silver(self, symbol: str, minute: datetime) -> int:
        hour = minute.replace(minute=0)
        slice_of_it = (symbol, hour, minute, minute + timedelta(minutes=1))
        return int(self._session.execute(self._count, slice_of_it).one().n)

    def _run(self, statement: Any, arguments: Sequence[tuple[Any, ...]]) -> None:
        execute_concurrent_with_args(self._session, statement, arguments, concurrency=CONCURRENT_STATEMENTS)


def _figures(row: dict[str, Any]) -> dict[str, Any]:
    return {n: Decimal(row[n]) if n != "trades" and row[n] is not None else row[n] for n in FIGURES}


def _closes(bars: Bars, day: date) -> list[float | None]:
    """A close for each minute of the day, None where nothing was traded."""
    by_minute = {at.hour * 60 + at.minute: float(bar["close"]) for at, bar in bars.items()}
    return [by_minute.get(minute) for minute in range(24 * 60)]
