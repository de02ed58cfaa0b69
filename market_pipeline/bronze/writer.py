"""Writes records into one Parquet file an hour, in bounded memory, below a staging folder."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from market_pipeline.bronze.layout import HOUR_MS, LATEST_MS, SCHEMA, event_ms, file_name, hour_folder

ROW_GROUP_ROWS = 65_536
BUFFERED_BYTES = 32 * 1024 * 1024
FIRST_TS, LAST_TS, TRADES = b"first_ts", b"last_ts", b"trades"
"""Keys of a file's metadata: its oldest and newest event time (epoch ms) and how many records bear one."""


@dataclass
class Batch:
    """Records as Kafka has them, as columns; ``timestamps`` are Kafka's own, in epoch milliseconds."""

    values: list[bytes | None] = field(default_factory=list)
    partitions: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    timestamps: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.values)

    def append(self, value: bytes | None, partition: int, offset: int, timestamp: int) -> None:
        self.values.append(value)
        self.partitions.append(partition)
        self.offsets.append(offset)
        self.timestamps.append(timestamp)

    def extend(self, other: "Batch") -> None:
        self.values += other.values
        self.partitions += other.partitions
        self.offsets += other.offsets
        self.timestamps += other.timestamps

    def at(self, places: list[int]) -> "Batch":
        return Batch(
            [self.values[i] for i in places],
            [self.partitions[i] for i in places],
            [self.offsets[i] for i in places],
            [self.timestamps[i] for i in places],
        )

    def to_arrow(self) -> pa.RecordBatch:
        # a time beyond the year 9999 could be written, and would end every reader that makes a date of it
        timestamps = [min(timestamp, LATEST_MS) for timestamp in self.timestamps]
        columns = [self.values, self.partitions, self.offsets, timestamps]
        arrays = [pa.array(column, kind.type) for column, kind in zip(columns, SCHEMA, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


class WrittenFile(NamedTuple):
    """A finished file, its path below the archive's root."""

    path: Path
    rows: int
    bytes: int
    first_ts: int | None
    last_ts: int | None


@dataclass
class EventTimes:
    """The span of event times seen and how many there were."""

    first: int | None = None
    last: int | None = None
    count: int = 0

    @classmethod
    def of(cls, times: Iterable[int | None]) -> "EventTimes":
        known = [ts for ts in times if ts is not None]
        return cls(min(known), max(known), len(known)) if known else cls()

    def merge(self, other: "EventTimes") -> None:
        self.count += other.count
        ends = [ts for ts in (self.first, self.last, other.first, other.last) if ts is not None]
        if ends:
            self.first, self.last = min(ends), max(ends)

    def to_metadata(self) -> dict[bytes, bytes]:
        if self.first is None or self.last is None:
            return {TRADES: b"0"}
        return {FIRST_TS: b"%d" % self.first, LAST_TS: b"%d" % self.last, TRADES: b"%d" % self.count}

    @classmethod
    def from_metadata(cls, metadata: dict[bytes, bytes] | None) -> "EventTimes":
        found = metadata or {}
        if FIRST_TS not in found:
            return cls()
        return cls(int(found[FIRST_TS]), int(found[LAST_TS]), int(found[TRADES]))


def open_writer(path: Path) -> pq.ParquetWriter:
    """A Parquet writer as the archive wants it: zstd, offsets as deltas, statistics on everything but the value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return pq.ParquetWriter(
        path,
        SCHEMA,
        compression="zstd",
        compression_level=3,
        use_dictionary=["kafka_partition"],
        column_encoding={"kafka_offset": "DELTA_BINARY_PACKED", "kafka_timestamp": "DELTA_BINARY_PACKED"},
        write_statistics=["kafka_partition", "kafka_offset", "kafka_timestamp"],
    )


@dataclass
class _HourFile:
    path: Path
    writer: pq.ParquetWriter
    rows: int = 0
    times: EventTimes = field(default_factory=EventTimes)
    buffered: Batch = field(default_factory=Batch)

    def flush(self) -> None:
        if len(self.buffered):
            self.writer.write_batch(self.buffered.to_arrow())
            self.rows += len(self.buffered)
            self.buffered = Batch()

    def close(self) -> None:
        self.flush()
        self.writer.add_key_value_metadata(self.times.to_metadata())
        self.writer.close()


class HourWriter:
    """Sorts records into one file an hour of event time; records without one go by Kafka's time.

    Args:
        staging: the folder under which the archive's own folders are made.
        commit: the number that the files are named after.
    """

    def __init__(self, staging: Path, commit: int) -> None:
        self._staging = staging
        self._name = file_name(commit)
        self._files: dict[int, _HourFile] = {}
        self._buffered_rows = 0
        self._buffered_bytes = 0
        self.rows = 0

    @property
    def hours(self) -> int:
        return len(self._files)

    def add(self, batch: Batch) -> None:
        times = [event_ms(value) for value in batch.values]
        hours = [
            (min(max(kafka, 0), LATEST_MS) if event is None else event) // HOUR_MS
            for event, kafka in zip(times, batch.timestamps, strict=True)
        ]
        by_hour: dict[int, list[int]] = {}
        for place, hour in enumerate(hours):
            by_hour.setdefault(hour, []).append(place)
        for hour, places in by_hour.items():
            file = self._files.get(hour) or self._open(hour)
            file.buffered.extend(batch if len(places) == len(batch) else batch.at(places))
            file.times.merge(EventTimes.of(times[place] for place in places))
        self.rows += len(batch)
        self._buffered_rows += len(batch)
        self._buffered_bytes += sum(len(value or b"") for value in batch.values)
        if self._buffered_rows >= ROW_GROUP_ROWS or self._buffered_bytes >= BUFFERED_BYTES:
            self._flush_all()

    def close(self) -> list[WrittenFile]:
        """Finish every file and make it durable."""
        written = []
        for hour, file in sorted(self._files.items()):
            file.close()
            with file.path.open("rb") as finished:
                os.fsync(finished.fileno())
            size = file.path.stat().st_size
            written.append(
                WrittenFile(hour_folder(hour) / self._name, file.rows, size, file.times.first, file.times.last)
            )
        self._files.clear()
        return written

    def abandon(self) -> None:
        """Let go of the files; what they hold is left for the recovery to delete."""
        for file in self._files.values():
            file.writer.close()
        self._files.clear()

    def _open(self, hour: int) -> _HourFile:
        path = self._staging / hour_folder(hour) / self._name
        file = self._files[hour] = _HourFile(path, open_writer(path))
        return file

    def _flush_all(self) -> None:
        for file in self._files.values():
            file.flush()
        self._buffered_rows = self._buffered_bytes = 0
