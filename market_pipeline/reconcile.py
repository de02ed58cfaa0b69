"""Received = produced = bronze = silver = bars, for one UTC day, on the live system: the proof that nothing was lost.

Each hop is read from where it lives: the journal, Kafka, the Parquet archive, ``trades_silver`` and ``ohlcv_1m``. Only
what was received before the comparison began is compared, so that it can run beside the stream. Trades that were filled
in from a second source never were in the journal: they are counted apart, and compared from Kafka on.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from cassandra.cluster import Session

from market_pipeline.batch.expiry import may_have_expired
from market_pipeline.broker.offsets import begin_offsets, end_offsets
from market_pipeline.broker.records import read_topic
from market_pipeline.bronze.archive import archive_new, read_day
from market_pipeline.feed.journal import read_frames
from market_pipeline.feed.journal.retention import has_forgotten
from market_pipeline.feed.journal.segment import list_segments
from market_pipeline.feed.normalise import trades_of
from market_pipeline.feed.subscribed import load_subscribed
from market_pipeline.mendable import Mendable
from market_pipeline.model import RejectedTrade, Trade, decode, is_filled, is_probe, trade_id
from market_pipeline.quality.ledger import (
    BarMismatch,
    Cell,
    Difference,
    Ledger,
    Sighting,
    compare,
    compare_bars,
    differing,
    settled_sums,
)
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.store.trades import SILVER_KEPT, bars_day, silver_day
from market_pipeline.stream.checkpoints import next_offsets

DAY_MS = 86_400_000
SETTLE_S = 30.0
"""What differs is compared again until nothing has changed for so long: it may be on its way through the stream."""

STREAM_STARTS_S = 120.0
"""The same while the stream's bars are known to be behind: one that was just started says nothing for a while."""

BARS_CHECKPOINT = "ohlcv_1m"

Read = Callable[[], Iterator[Sighting]]


class DayExpired(Mendable):
    """Trades of the day have left silver, so that it can't be compared; the message says what to do."""

    def __init__(self, day: date) -> None:
        super().__init__(
            f"{day} can't be compared any more: trades_silver keeps a row for {SILVER_KEPT.days} days, and some of "
            "that day's have left it. Write them anew from the archive: `dagster asset materialize "
            f"-m market_pipeline.definitions --select trades_silver --partition {day}`"
        )


@dataclass(frozen=True)
class Hop:
    """A place where trades are, how to read them, the oldest ``trade_id`` that it can still hold, whether it is a log,
    which may hold a trade again, and whether it gets filled trades."""

    name: str
    read: Read
    since: str = ""
    log: bool = True
    takes_filled: bool = True


@dataclass
class Report:
    """What was compared and what differs.

    Attributes:
        day: the UTC day, by event time.
        counts: trades of the day by hop, without the filled ones; of the bars all that they hold.
        filled: trades by hop that were filled in from a second source, where there are any.
        since: by hop, the receive time (ISO-8601) before which it remembers nothing, where that matters.
        repeated: records that the producer sent again after a crash, by hop; they are harmless and counted apart.
        differences: by hop, against the hop before it.
        bars: bars that do not add up to their trades.
        open_bars: bars that were left out, because trades have come into them since the comparison began.
    """

    day: date
    counts: dict[str, int] = field(default_factory=dict)
    filled: dict[str, int] = field(default_factory=dict)
    since: dict[str, str] = field(default_factory=dict)
    repeated: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    bars: list[BarMismatch] = field(default_factory=list)
    open_bars: int = 0
    seconds: float = 0.0

    @property
    def lost(self) -> int:
        return sum(len(difference.missing) for difference in self.differences)

    @property
    def doubled(self) -> int:
        return sum(len(difference.extra) for difference in self.differences)

    @property
    def empty(self) -> bool:
        """No hop has a trade of the day: nothing was compared."""
        return not any((*self.counts.values(), *self.filled.values()))

    @property
    def clean(self) -> bool:
        return not self.bars and not any(self.differences)


def reconcile(settings: Settings, day: date, *, progress: Callable[[str], None] = lambda _: None) -> Report:
    """Compare every hop of a UTC day; waits for trades that are still on their way.

    Raises:
        BrokerUnreachableError, StoreUnreachableError: a hop can't be read.
        ArchiveError: Kafka lost records before they were archived.
        DayExpired: what silver lacks was there, and its time to live is over.
    """
    began = time.monotonic()
    cut = trade_id(time.time_ns() // 1000, 0)
    progress("archiving what is new")
    archive_new(settings)
    with connect(settings, timeout_s=60) as session:
        hops = [replace(hop, read=_before(_within(hop.read, day), cut)) for hop in _hops(settings, session, day)]
        report = _compare_settled(hops, settings, session, day, cut, progress)
    report.seconds = time.monotonic() - began
    return report


def _hops(settings: Settings, session: Session, day: date) -> list[Hop]:
    produced = _oldest_produced(settings)
    return [
        Hop("received", lambda: _received(settings), _oldest_received(settings), takes_filled=False),
        Hop(
            "produced",
            lambda: (_sighting(t) for t in decoded(r.value for r in read_topic(settings, settings.topic))),
            produced,
        ),
        Hop("bronze", lambda: (_sighting(t) for t in decoded(read_day(settings, day)))),
        Hop("silver", lambda: silver_day(session, settings, day), log=False),
    ]


def _compare_settled(
    hops: list[Hop], settings: Settings, session: Session, day: date, cut: str, progress: Callable[[str], None]
) -> Report:
    ends = end_offsets(settings, settings.topic)
    last: object = None
    changed_at = 0.0
    while True:
        behind = bars_behind(settings, ends)
        report = _compare(hops, settings, session, day, cut, progress)
        if report.clean:
            return report
        if _silver_lacks_some(report) and may_have_expired(settings, day, datetime.now(UTC)):
            raise DayExpired(day)
        found = (report.lost, report.doubled, report.bars, behind)
        if found != last:
            last, changed_at = found, time.monotonic()
        elif time.monotonic() > changed_at + (STREAM_STARTS_S if behind else SETTLE_S):
            return report
        progress(f"the stream's bars are {behind:,} records behind" if behind else "some trades are still on their way")
        archive_new(settings)
        time.sleep(1)


def _silver_lacks_some(report: Report) -> bool:
    return any(difference.hop == "silver" and difference.missing for difference in report.differences)


def bars_behind(settings: Settings, ends: Mapping[int, int]) -> int:
    """Records below ``ends`` that the stream's bars have not taken yet; 0 where it keeps its checkpoints elsewhere."""
    done = next_offsets(settings.paths.checkpoints / BARS_CHECKPOINT, settings.topic)
    return sum(max(0, end - done.get(partition, 0)) for partition, end in ends.items()) if done else 0


def _compare(
    hops: list[Hop], settings: Settings, session: Session, day: date, cut: str, progress: Callable[[str], None]
) -> Report:
    report = Report(day)
    boundaries = sorted({hop.since for hop in hops if hop.since})
    ledgers: list[Ledger] = []
    for hop in hops:
        progress(f"reading {hop.name}")
        ledger = _fill(hop, boundaries)
        ledgers.append(ledger)
        report.counts[hop.name] = ledger.count
        if hop.since:
            report.since[hop.name] = _received_iso(hop.since)
        if ledger.filled:
            report.filled[hop.name] = ledger.filled
        if ledger.repeated:
            report.repeated[hop.name] = ledger.repeated
    for index in range(1, len(hops)):
        cells = differing(ledgers[index - 1], ledgers[index])
        if cells:
            before = _look(hops[index - 1], ledgers[index - 1], cells)
            report.differences.append(compare(hops[index].name, before, _look(hops[index], ledgers[index], cells)))
    progress("reading bars")
    have = bars_day(session, settings, day)
    want, still_open = settled_sums(silver_day(session, settings, day), cut)
    settled = {key: bar for key, bar in have.items() if key not in still_open}
    report.counts["bars"] = sum(bar.trades for bar in settled.values())
    report.open_bars = len(still_open)
    report.bars = compare_bars(want, settled)
    return report


def _fill(hop: Hop, boundaries: list[str]) -> Ledger:
    ledger = Ledger(hop.name, hop.since, boundaries, hop.log, hop.takes_filled)
    for sighting in hop.read():
        ledger.add(sighting)
    return ledger


def _look(hop: Hop, ledger: Ledger, cells: set[Cell]) -> dict[str, Sighting]:
    return {s.trade_id: s for s in hop.read() if s.trade_id >= hop.since and ledger.cell(s) in cells}


def _received(settings: Settings) -> Iterator[Sighting]:
    journal = settings.paths.journal
    for item in trades_of(read_frames(journal), settings.active_feed, load_subscribed(journal)):
        if isinstance(item, Trade):
            yield _sighting(item)


def decoded(values: Iterable[bytes]) -> Iterator[Trade]:
    """The trades among a topic's values, probes left out; what is not a trade is the dead letters' business."""
    for value in values:
        if is_probe(value):
            continue
        try:
            yield decode(value)
        except RejectedTrade:
            continue


def _sighting(trade: Trade) -> Sighting:
    return Sighting(trade.symbol, trade.ts, trade.trade_id, trade.price, trade.volume)


def _within(read: Read, day: date) -> Read:
    start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    return lambda: (s for s in read() if start <= s.ts < start + DAY_MS)


def _before(read: Read, cut: str) -> Read:
    return lambda: (s for s in read() if s.trade_id < cut)


def _oldest_received(settings: Settings) -> str:
    """The id from which the journal has every trade; '' while it has not yet deleted any."""
    segments = list_segments(settings.paths.journal)
    if not segments:
        return trade_id(time.time_ns() // 1000, 0)
    return trade_id(segments[0].first, 0) if has_forgotten(settings.paths.journal) else ""


def _oldest_produced(settings: Settings) -> str:
    """The id from which Kafka has every trade; '' while it has not yet deleted any.

    A filled trade's id tells nothing: it is older than the trades that came before it.
    """
    begin, end = begin_offsets(settings, settings.topic), end_offsets(settings, settings.topic)
    if not any(begin.values()):
        return ""
    firsts = [next(_heard(settings, {p: first}, {p: end[p]}), None) for p, first in begin.items() if first < end[p]]
    return max((trade.trade_id for trade in firsts if trade), default="")


def _heard(settings: Settings, start: dict[int, int], end: dict[int, int]) -> Iterator[Trade]:
    values = (record.value for record in read_topic(settings, settings.topic, start=start, end=end))
    return (trade for trade in decoded(values) if not is_filled(trade.trade_id))


def _received_iso(identity: str) -> str:
    micros = int(identity.partition("-")[0])
    return datetime.fromtimestamp(micros / 1e6, tz=UTC).isoformat(timespec="seconds")
