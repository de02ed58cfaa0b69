"""The places where a trade is, and how each is read: the journal, Kafka, the Parquet archive, ``trades_silver``."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
from cassandra.cluster import Session

from market_pipeline.broker.offsets import begin_offsets, end_offsets
from market_pipeline.broker.records import read_topic, read_values
from market_pipeline.bronze.archive import read_day
from market_pipeline.feed.journal import read_backwards, read_frames
from market_pipeline.feed.journal.retention import has_forgotten
from market_pipeline.feed.journal.segment import list_segments
from market_pipeline.feed.subscribed import load_subscribed
from market_pipeline.model import FILLED, trade_id
from market_pipeline.reconcile import parsing
from market_pipeline.reconcile.silver_reader import SilverReader
from market_pipeline.settings import Settings
from market_pipeline.store.trades import symbols
from market_pipeline.utc_day import day_start

DAY_MS = 86_400_000
Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class Cut:
    """When a comparison began: only what was received before is compared, so that it can run beside the stream.

    A trade of a recording has the ``trade_id`` of its first receipt, which may be long ago or, where a vendor's clock
    was wrong, in the future. So a trade is before the cut if either its id or its own receipt is.
    """

    micros: int

    @property
    def trade_id(self) -> str:
        return trade_id(self.micros, 0)

    def before(self, trades: pa.RecordBatch) -> pa.Array:
        """Which of the trades were received before."""
        return pc.or_(
            pc.less(trades.column("trade_id"), self.trade_id), pc.less(trades.column("received_at"), self.micros)
        )


def cut_now(settings: Settings) -> Cut:
    """The cut of this moment; never before a frame of the journal, whatever the clock says now.

    It is a whole millisecond, for silver keeps no smaller part of the time of receipt.
    """
    newest = next(read_backwards(settings.paths.journal), None)
    now = max(time.time_ns() // 1000, newest.received_at + 1000 if newest else 0)
    return Cut(now - now % 1000)


@dataclass(frozen=True)
class Hop:
    """A place where trades are, how to read them, the oldest ``trade_id`` that it can still hold, whether it is a log,
    which may hold a trade again, and whether it gets filled trades."""

    name: str
    read: Callable[[], Batches]
    since: str = ""
    log: bool = True
    takes_filled: bool = True


@dataclass
class Span:
    """A UTC day and its [start, end) in epoch milliseconds."""

    day: date
    start: int = field(init=False)
    end: int = field(init=False)

    def __post_init__(self) -> None:
        self.start = int(day_start(self.day).timestamp() * 1000)
        self.end = self.start + DAY_MS

    def within(self, batches: Batches) -> Batches:
        """Of the trades those that happened on the day."""
        for batch in batches:
            ts = batch.column("ts")
            bounds = pc.min_max(ts).as_py()
            if batch.num_rows and self.start <= bounds["min"] and bounds["max"] < self.end:
                yield batch
            else:
                yield batch.filter(pc.and_(pc.greater_equal(ts, self.start), pc.less(ts, self.end)))


def hops_of(settings: Settings, session: Session, reader: SilverReader, span: Span) -> list[Hop]:
    """Every hop, in the order in which a trade passes them.

    Raises:
        BrokerUnreachableError, TopicError: Kafka does not answer, or has no such topic.
    """
    journal = settings.paths.journal
    return [
        Hop(
            "received",
            lambda: span.within(parsing.frames(read_frames(journal), settings.active_feed, load_subscribed(journal))),
            _oldest_received(settings),
            takes_filled=False,
        ),
        Hop(
            "produced",
            lambda: span.within(parsing.records(read_values(settings, settings.topic))),
            _oldest_produced(settings),
        ),
        Hop("bronze", lambda: span.within(parsing.records(read_day(settings, span.day)))),
        Hop(
            "silver",
            lambda: span.within(reader.batches(span.day, symbols(session, settings))),
            log=False,
        ),
    ]


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
    return max((_first_id(settings, p, first, end[p]) for p, first in begin.items() if first < end[p]), default="")


def _first_id(settings: Settings, partition: int, begin: int, end: int) -> str:
    """The id of the first trade of a partition that was not filled in; '' when there is none."""
    values = (r.value for r in read_topic(settings, settings.topic, start={partition: begin}, end={partition: end}))
    for batch in parsing.records(values):
        for identity in batch.column("trade_id").to_pylist():
            if not identity.endswith(FILLED):
                return str(identity)
    return ""
