"""Compares the hops of a day, again until what differs is settled."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc
from cassandra.cluster import Session

from market_pipeline.batch.expiry import may_have_expired
from market_pipeline.broker.offsets import end_offsets
from market_pipeline.bronze.archive import archive_new, bronze_days, read_day
from market_pipeline.quality.bar_sums import BarSums, compare_bars
from market_pipeline.quality.digest import Cell, HopDigest, compare, differing, to_name, trades_in
from market_pipeline.quality.latest import NewestTrades, price_mismatches
from market_pipeline.reconcile import parsing
from market_pipeline.reconcile.hops import Cut, Hop, Span, cut_now, hops_of
from market_pipeline.reconcile.report import DayExpired, Report
from market_pipeline.reconcile.silver_reader import SilverReader
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.store.trades import bars_day, latest_prices
from market_pipeline.stream.position import next_offsets

SETTLE_S = 30.0
"""What differs is compared again until nothing has changed for so long, unless the stream's checkpoints say sooner that
nothing is on its way."""

COMMITTED_SETTLE_S = 5.0
"""The same of what the stream has committed: a rebuild may be under way."""

STREAM_STARTS_S = 120.0
"""The same while the stream is known to be behind: one that was just started says nothing for a while."""

BARS_FOLLOW_S = 0.5
"""The stream writes a bar five times a second at most."""

SAY_EVERY_S = 0.2
AGAIN_AFTER_S = 1.0
Progress = Callable[[str], None]


def reconcile(settings: Settings, day: date, *, progress: Progress = lambda _: None) -> Report:
    """Compare every hop of a UTC day; waits for trades that are still on their way.

    Raises:
        BrokerUnreachableError, StoreUnreachableError, SilverUnreadable: a hop can't be read.
        ArchiveError: Kafka lost records before they were archived.
        DayExpired: what silver lacks was there, and its time to live is over.
    """
    began = time.monotonic()
    cut, span = cut_now(settings), Span(day)
    with SilverReader(settings) as reader, connect(settings, timeout_s=60) as session:
        report = settled(
            _Comparison(settings, session, reader, span, cut, progress).run,
            lambda: end_offsets(settings, settings.topic),
            lambda ends: stream_behind(settings, ends),
            lambda: may_have_expired(settings, day, datetime.now(UTC)),
            progress,
        )
    report.seconds = time.monotonic() - began
    return report


def newest_day(settings: Settings) -> date | None:
    """The newest UTC day that has a trade, after the archive was brought up to date; None when there is no trade.

    Raises:
        BrokerUnreachableError: Kafka does not answer.
        ArchiveError: Kafka lost records before they were archived.
    """
    archive_new(settings)
    return newest_archived_day(settings)


def newest_archived_day(settings: Settings) -> date | None:
    """The same, of what the archive has. Probes and what is no trade are archived too, on the day that they came."""
    return next(days_with_trades(settings), None)


def days_with_trades(settings: Settings) -> Iterator[date]:
    """Each day of the archive that has a trade, the newest first: one that has canaries alone is none."""
    for day in reversed(bronze_days(settings)):
        if any(batch.num_rows for batch in parsing.records(read_day(settings, day))):
            yield day


def stream_behind(settings: Settings, ends: Mapping[int, int]) -> int | None:
    """Records below ``ends`` of which the stream has not committed yet that they are in every table; None where it
    keeps its checkpoints elsewhere."""
    done = next_offsets(settings)
    return sum(max(0, end - done.get(partition, 0)) for partition, end in ends.items()) if done else None


def settled(
    compare_once: Callable[[], Report],
    ends: Callable[[], Mapping[int, int]],
    behind: Callable[[Mapping[int, int]], int | None],
    expired: Callable[[], bool],
    progress: Progress = lambda _: None,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Report:
    """The first report without a difference, or one whose differences have stayed the same.

    Args:
        compare_once: reads and compares everything.
        ends: Kafka's ends by partition.
        behind: how many records below such ends the stream has not committed yet, if that is known.
        expired: whether rows of the day may have left silver.
        progress: what is waited for.
        clock: monotonic seconds.
        sleep: waits for seconds.

    Raises:
        DayExpired: what silver lacks was there, and its time to live is over.
    """
    first_ends = ends()
    seen_ends: Mapping[int, int] = {}  # Kafka's, once the differences had been seen: every trade of theirs lies below
    last_shown: object = None
    last_records = 0
    changed_at = 0.0
    while True:
        records = behind(first_ends) or 0
        committed = bool(seen_ends) and behind(seen_ends) == 0
        report = compare_once()
        if report.clean:
            return report
        if _silver_lacks_some(report) and expired():
            raise DayExpired(report.day)
        shown = (report.differences, report.unsettled, report.bars, report.prices)
        if shown != last_shown:
            seen_ends = ends()
        if (shown, records) != (last_shown, last_records):
            last_shown, last_records, changed_at = shown, records, clock()
        waited = clock() - changed_at
        written = committed and _in_tables_alone(report) and waited >= COMMITTED_SETTLE_S
        if written or waited > (STREAM_STARTS_S if records else SETTLE_S):
            return report
        progress(f"the stream is {records:,} records behind" if records else "some trades are still on their way")
        sleep(AGAIN_AFTER_S)


def _in_tables_alone(report: Report) -> bool:
    """Whether what differs is what the stream writes: nothing else brings trades from Kafka into the tables."""
    return not report.unsettled and all(each.hop == "silver" for each in report.differences)


def _silver_lacks_some(report: Report) -> bool:
    return any(each.hop == "silver" and (each.missing or each.more_missing) for each in report.differences)


@dataclass
class _Reading:
    """A hop as it is read: its digest, and how many records of it have been seen."""

    hop: Hop
    digest: HopDigest
    seen: int = 0


@dataclass
class _Comparison:
    """One read of everything, and what it shows."""

    settings: Settings
    session: Session
    reader: SilverReader
    span: Span
    cut: Cut
    progress: Progress
    bars: BarSums = field(default_factory=BarSums)
    newest: NewestTrades = field(default_factory=NewestTrades)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> Report:
        """Read and compare.

        Bars and prices are read before the trades: what they hold is then in the hops.
        """
        self.bars, self.newest = BarSums(), NewestTrades()
        report = Report(self.span.day)
        self.progress("archiving what is new")
        archive_new(self.settings)
        self.progress("reading bars and prices")
        self._let_bars_follow()
        prices = latest_prices(self.session, self.settings)
        bars = bars_day(self.session, self.settings, self.span.day)
        readings = self._read(hops_of(self.settings, self.session, self.reader, self.span))
        self._compare_all(readings, report)
        want = self.bars.settled()
        settled = {key: bar for key, bar in bars.items() if key not in self.bars.open}
        report.counts["bars"] = sum(bar.trades or 0 for bar in settled.values())
        report.open_bars = len(self.bars.open)
        report.bars = compare_bars(want, settled)
        day = (self.span.start, self.span.end)
        report.prices = price_mismatches(self.newest, prices, day, self.cut.trade_id)
        return report

    def _let_bars_follow(self) -> None:
        """Of a day that is not over the bars are a moment behind the trades; that spares reading everything twice."""
        left = self.cut.micros / 1e6 + BARS_FOLLOW_S - time.time()
        if self.cut.micros < self.span.end * 1000 and 0 < left <= BARS_FOLLOW_S:
            time.sleep(left)

    def _read(self, hops: Sequence[Hop]) -> list[_Reading]:
        """Read all hops at once. Arrow and the clients of Kafka and Cassandra work beside Python's own lock."""
        boundaries = sorted({hop.since for hop in hops if hop.since})
        readings = [
            _Reading(hop, HopDigest(hop.name, hop.since, boundaries, hop.log, hop.takes_filled)) for hop in hops
        ]
        self.stop.clear()
        with ThreadPoolExecutor(len(readings), thread_name_prefix="reconcile") as pool:
            running = [pool.submit(self._count_all, reading, reading.hop.read()) for reading in readings]
            try:
                self._wait(running, readings)
            finally:
                self.stop.set()
        silver, bronze = readings[-1], readings[-2]
        # a symbol without a price would not have been read
        more = bronze.digest.symbols() - silver.digest.symbols()
        if more:
            self.stop.clear()
            rows = self.reader.batches(self.span.day, sorted(more))
            self._count_all(silver, self.span.within(rows))
        return readings

    def _wait(self, running: Sequence[Future[None]], readings: Sequence[_Reading]) -> None:
        left = set(running)
        while left:
            done, left = wait(left, timeout=SAY_EVERY_S)
            for each in done:
                each.result()
            self.progress(" · ".join(f"{reading.hop.name} {reading.seen:,}" for reading in readings))

    def _count_all(self, reading: _Reading, batches: Iterator[pa.RecordBatch]) -> None:
        name = reading.hop.name
        for batch in batches:
            if self.stop.is_set():
                return
            reading.seen += batch.num_rows
            mine, since = self._split(batch)
            reading.digest.add(mine)
            if name == "bronze":
                self.newest.add(mine)
            elif name == "silver":
                self.bars.add(mine)
                self.bars.add_since(since)

    def _split(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        """The trades from before the cut, and those since."""
        before = self.cut.before(batch)
        if pc.all(before).as_py() in (True, None):
            return batch, batch.slice(0, 0)
        return batch.filter(before), batch.filter(pc.invert(before))

    def _compare_all(self, readings: Sequence[_Reading], report: Report) -> None:
        """Count what each hop has, and add what differs between each two."""
        pairs = list(pairwise(readings))
        # each time less is taken for what was sent again, so that it ends
        while any(self._recounted(hop, pair) for pair in pairs for hop in pair):
            continue
        for reading in readings:
            _count(report, reading.digest)
        for before, after in pairs:
            self._compare(before, after, report)

    def _recounted(self, reading: _Reading, pair: tuple[_Reading, _Reading]) -> bool:
        """Where two hops differ, read a log again if some of it was taken for what was sent again: a dead letter that
        is sent again comes as late as that, and for the first time. Returns whether there was such a trade."""
        if not reading.digest.log or not reading.digest.repeated:
            return False
        cells = differing(pair[0].digest, pair[1].digest)
        if not cells:
            return False
        self.progress(f"{reading.hop.name} has trades that came late: reading those minutes again")
        sums: dict[Cell, tuple[int, int]] = {}
        trades_in(self._before_cut(reading), to_name(cells), reading.digest, sums)
        return reading.digest.recount(sums)

    def _compare(self, before: _Reading, after: _Reading, report: Report) -> None:
        """Add what differs between two hops, by the counts, and read again to name it."""
        cells = differing(before.digest, after.digest)
        if not cells:
            return
        named = to_name(cells)
        rest = [counts for cell, counts in cells.items() if cell not in named]
        self.progress(f"{after.hop.name} differs in {len(cells):,} minutes: reading those again")
        found = compare(after.hop.name, self._trades(before, named), self._trades(after, named), rest)
        lacks = sum(ours - theirs for ours, theirs in (cells[cell] for cell in named))
        if found and len(found.missing) - len(found.extra) == lacks:
            report.differences.append(found)
        else:  # trades have come since they were counted: what was counted is not what can be named
            report.unsettled += len(cells)

    def _trades(self, reading: _Reading, cells: set[Cell]) -> dict[str, int]:
        return trades_in(self._before_cut(reading), cells, reading.digest)

    def _before_cut(self, reading: _Reading) -> Iterator[pa.RecordBatch]:
        return (self._split(batch)[0] for batch in reading.hop.read())


def _count(report: Report, digest: HopDigest) -> None:
    report.counts[digest.hop] = digest.count
    if digest.since:
        report.since[digest.hop] = _received_iso(digest.since)
    if digest.filled:
        report.filled[digest.hop] = digest.filled
    if digest.repeated:
        report.repeated[digest.hop] = digest.repeated


def _received_iso(identity: str) -> str:
    micros = int(identity.partition("-")[0])
    return datetime.fromtimestamp(micros / 1e6, tz=UTC).isoformat(timespec="seconds")
