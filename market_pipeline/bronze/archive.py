"""The bronze archive: ``trades_raw`` as Parquet, by UTC date and hour of event time, from Kafka's offsets.

Kafka keeps hours; the archive is what backfills and rebuilds read. Each record is in it once, whatever a run was killed
at (see ``bronze.commit``), and what Kafka deleted before the archive came for it is an error that names the offsets.
"""

import fcntl
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow.parquet as pq

from market_pipeline.bronze.commit import commit, current_manifest, recover, staging_folder
from market_pipeline.bronze.compaction import CompactionResult, compact_hours
from market_pipeline.bronze.layout import SCHEMA, days, files_of_day
from market_pipeline.bronze.manifest import ArchiveError, Manifest, OffsetGap, read_manifest
from market_pipeline.bronze.source import KafkaTopic, Reader, Topic
from market_pipeline.bronze.writer import EventTimes, HourWriter
from market_pipeline.settings import Settings
from market_pipeline.supervision.lock import AlreadyRunning, ProcessLock

COMMIT_RECORDS = 5_000_000
"""A run that takes more than this commits in between, so that a crash does not cost an hour's work."""
COMMIT_HOURS = 256
"""Nor does a commit hold more files open than this."""
LOCK = "archive"
WAIT_FOR_LOCK_S = 300.0
READ_ROWS = 8_192
logger = logging.getLogger(__name__)


@dataclass
class ArchiveResult:
    """What a run added.

    Attributes:
        rows: records.
        bytes: size of the files on disk.
        first_trade: oldest event time, None when no record bears one.
        last_trade: newest event time.
        files: the files, below the archive's root.
        offsets: the next offset to take, by partition.
        gaps: offsets that Kafka no longer had.
        seconds: how long it took.
    """

    rows: int = 0
    bytes: int = 0
    times: EventTimes = field(default_factory=EventTimes)
    files: list[Path] = field(default_factory=list)
    offsets: dict[int, int] = field(default_factory=dict)
    gaps: list[OffsetGap] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def first_trade(self) -> datetime | None:
        return _moment(self.times.first)

    @property
    def last_trade(self) -> datetime | None:
        return _moment(self.times.last)


@dataclass(frozen=True)
class DaySummary:
    """What the archive holds of a UTC day, from the files' footers.

    Attributes:
        day: by event time.
        rows: records.
        bytes: size of the files on disk.
        files: how many there are.
        first_trade: oldest event time, None when no record bears one.
        last_trade: newest event time.
        first_arrival: when the first of the records came to Kafka, None when there is none. A replay of an old day
            arrives when it is played.
        hours: records by hour, 24 of them.
    """

    day: date
    rows: int
    bytes: int
    files: int
    first_trade: datetime | None
    last_trade: datetime | None
    first_arrival: datetime | None
    hours: tuple[int, ...]


class OffsetsLost(ArchiveError):
    """Kafka deleted records before they were archived. All else was archived: ``result``; the gap is recorded."""

    def __init__(self, result: ArchiveResult) -> None:
        named = "; ".join(str(gap) for gap in result.gaps)
        super().__init__(
            f"records are lost to the archive: {named}. The gap is recorded and everything else is archived; raise "
            "MARKET_PIPELINE_KAFKA_RETENTION_HOURS or archive more often"
        )
        self.result = result


def archive_new(settings: Settings, topic: Topic | None = None) -> ArchiveResult:
    """Take everything that is on ``trades_raw`` at this moment and not yet archived.

    Args:
        settings: the pipeline's.
        topic: what to take it from, by default its Kafka.

    Raises:
        OffsetsLost: Kafka no longer had some of it; the rest is archived, and the next run goes on after the gap.
        BrokerUnreachableError: Kafka does not answer.
        TopicError: there is no such topic.
        ArchiveError: another run holds the archive for too long, or the archive is damaged.
    """
    began = time.monotonic()
    root = settings.paths.bronze
    result = ArchiveResult()
    topic = topic or KafkaTopic(settings)
    with writing(settings):
        recover(root)
        kafka_id = topic.identity()
        manifest = current_manifest(root, settings.topic, kafka_id)
        span = topic.reach(manifest, kafka_id)
        manifest = Manifest(
            manifest.topic, kafka_id, manifest.commits, dict(span.start), manifest.gaps + span.gaps
        )  # fmt: skip
        result.gaps.extend(span.gaps)
        result.offsets = dict(span.start)
        if span.start != span.end or span.gaps:
            with topic.open_reader(span) as reader:
                _take(root, manifest, reader, result)
    result.seconds = time.monotonic() - began
    if result.gaps:
        raise OffsetsLost(result)
    return result


def archive_gaps(settings: Settings) -> tuple[OffsetGap, ...]:
    """Everything that Kafka deleted before it was archived.

    Raises:
        ArchiveError: the manifest is damaged.
    """
    manifest = read_manifest(settings.paths.bronze)
    return manifest.gaps if manifest else ()


def bronze_files(settings: Settings, day: date) -> list[Path]:
    """The files that hold a UTC day, each record once. Read them within ``reading``."""
    live, _ = files_of_day(settings.paths.bronze, day)
    return [file.path for file in live]


def bronze_days(settings: Settings) -> list[date]:
    """The UTC days that the archive has records of, in order."""
    return [day for day in days(settings.paths.bronze) if bronze_files(settings, day)]


def summarise_day(settings: Settings, day: date) -> DaySummary:
    """What the archive holds of a UTC day; only footers are read."""
    times, size = EventTimes(), 0
    hours = [0] * 24
    arrivals: list[datetime] = []
    with reading(settings):
        files, _ = files_of_day(settings.paths.bronze, day)
        for file in files:
            footer = pq.read_metadata(file.path)
            hours[file.hour % 24] += footer.num_rows
            size += file.path.stat().st_size
            times.merge(EventTimes.from_metadata(footer.metadata))
            arrivals += _first_arrivals(footer)
    span = _moment(times.first), _moment(times.last), min(arrivals, default=None)
    return DaySummary(day, sum(hours), size, len(files), *span, tuple(hours))


def read_day(settings: Settings, day: date) -> Iterator[bytes]:
    """The values of a UTC day's records, hour by hour, in bounded memory; a record without a value gives ``b""``."""
    with reading(settings):
        for path in bronze_files(settings, day):
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(READ_ROWS, columns=["value"], use_threads=False):
                    for value in batch.column(0).to_pylist():
                        yield value or b""


def compact(settings: Settings, before: datetime) -> CompactionResult:
    """Make one file of each UTC hour that ended by ``before``; waits for nobody: hours are left if they are being read.

    Raises:
        ArchiveError: another run holds the archive for too long.
    """
    with writing(settings):
        recover(settings.paths.bronze)
        return compact_hours(settings.paths.bronze, before, lambda: _readers_lock(settings, fcntl.LOCK_EX))


@contextmanager
def reading(settings: Settings) -> Iterator[None]:
    """While this is held no compaction deletes a file; archiving goes on."""
    with _readers_lock(settings, fcntl.LOCK_SH):
        yield


@contextmanager
def writing(settings: Settings, wait_s: float = WAIT_FOR_LOCK_S) -> Iterator[None]:
    """Be the only writer of the archive.

    Raises:
        ArchiveError: another one is at it for longer than ``wait_s``.
    """
    lock = ProcessLock(settings.paths.lock(LOCK))
    deadline = time.monotonic() + wait_s
    while True:
        try:
            lock.acquire()
            break
        except AlreadyRunning as error:
            if time.monotonic() > deadline:
                raise ArchiveError(f"{error}: waited {wait_s:.0f} s for it") from None
            time.sleep(0.2)
    try:
        yield
    finally:
        lock.release()


def _take(root: Path, manifest: Manifest, reader: Reader, result: ArchiveResult) -> None:
    batches = reader.batches()
    finished = False
    while not finished:
        writer = HourWriter(staging_folder(root), manifest.commits)
        try:
            finished = True
            for batch in batches:
                writer.add(batch)
                if writer.rows >= COMMIT_RECORDS or writer.hours >= COMMIT_HOURS:
                    finished = False
                    break
        except BaseException:
            writer.abandon()
            raise
        files = writer.close()
        gaps = reader.take_gaps()
        manifest = manifest.advanced(reader.positions, gaps)
        commit(root, manifest, [file.path for file in files])
        logger.info("archived %s records in %s files", writer.rows, len(files))
        result.rows += writer.rows
        result.files += [file.path for file in files]
        result.bytes += sum(file.bytes for file in files)
        result.gaps += gaps
        result.offsets = dict(manifest.next_offsets)
        for file in files:
            result.times.merge(EventTimes(file.first_ts, file.last_ts, 0))


@contextmanager
def _readers_lock(settings: Settings, kind: int) -> Iterator[None]:
    root = settings.paths.bronze
    root.mkdir(parents=True, exist_ok=True)
    with (root / "_readers.lock").open("a") as file:
        fcntl.flock(file, kind | (fcntl.LOCK_NB if kind == fcntl.LOCK_EX else 0))
        yield


def _first_arrivals(footer: pq.FileMetaData) -> Iterator[datetime]:
    """When the first record of each row group came to Kafka."""
    column = SCHEMA.get_field_index("kafka_timestamp")
    for group in range(footer.num_row_groups):
        statistics = footer.row_group(group).column(column).statistics
        if statistics is not None and statistics.has_min_max:
            yield statistics.min


def _moment(epoch_ms: int | None) -> datetime | None:
    return None if epoch_ms is None else datetime.fromtimestamp(epoch_ms / 1000, UTC)
