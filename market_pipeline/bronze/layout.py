"""Where a record of ``trades_raw`` lies in the bronze archive, and which of the files there count.

``bronze/date=YYYY-MM-DD/hour=HH/trades-N.parquet`` holds what the N-th commit added to a UTC hour of event time;
``trades-N-M.parquet`` is a compacted file and stands for every file of that hour whose commits lie within N to M. So
the names alone tell which files count, whatever moment a compaction was cut short at.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa

from market_pipeline.model import EARLIEST_TS_MS, MAX_AHEAD_MS

HOUR_MS = 3_600_000
LATEST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999, the last that a date can hold."""

SCHEMA = pa.schema(
    [
        pa.field("value", pa.binary()),
        pa.field("kafka_partition", pa.int32(), nullable=False),
        pa.field("kafka_offset", pa.int64(), nullable=False),
        pa.field("kafka_timestamp", pa.timestamp("ms", tz="UTC"), nullable=False),
    ]
)
"""``value`` is binary, as Kafka gives it to Spark: what is not UTF-8 is kept byte for byte too."""

_AS_ENCODED = re.compile(
    rb'\{"symbol":"[^"\\]*","price":[0-9.]+,"volume":[0-9.]+,"ts":([0-9]{1,15}),"conditions":\[[^\]\\]*\],'
    rb'"trade_id":"[0-9-]*(?:-filled)?","seq":[0-9]+,"source":"[a-z]*","received_at":([0-9]{1,17})\}'
)
"""A record as ``model.encode`` writes it; three times as fast as JSON, which the rest goes through."""
_NAME = re.compile(r"trades-(\d{10})(?:-(\d{10}))?\.parquet")


@dataclass(frozen=True, order=True)
class BronzeFile:
    """One file and the commits that it stands for."""

    path: Path
    first: int
    last: int

    @property
    def hour(self) -> int:
        """Hours since the epoch."""
        return hour_of(self.path.parent)

    def covers(self, other: "BronzeFile") -> bool:
        wider = (self.last - self.first) > (other.last - other.first)
        return self.path.parent == other.path.parent and wider and self.first <= other.first <= other.last <= self.last


def event_ms(value: bytes | None) -> int | None:
    """The event time of a record in epoch milliseconds; None when it bears none that a trade may have.

    Whatever ``model.decode`` accepts is placed by its own time, so that a day of the archive holds all of its trades.
    """
    times = _times(value or b"")
    if times is None:
        return None
    ts, received_at = times
    latest = min(received_at // 1000 + MAX_AHEAD_MS, LATEST_MS)
    return ts if EARLIEST_TS_MS <= ts <= latest else None


def _times(value: bytes) -> tuple[int, int] | None:
    """A record's event time (ms) and receive time (µs)."""
    matched = _AS_ENCODED.fullmatch(value)
    if matched is not None:
        return int(matched[1]), int(matched[2])
    try:
        record = json.loads(value)
        ts, received_at = record["ts"], record["received_at"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    if isinstance(ts, float) and ts.is_integer():
        ts = int(ts)
    return (ts, received_at) if isinstance(ts, int) and isinstance(received_at, int) else None


def hour_folder(hour: int) -> Path:
    """The folder, below the archive's root, of an hour since the epoch."""
    start = datetime.fromtimestamp(hour * 3600, UTC)
    return Path(f"date={start:%Y-%m-%d}", f"hour={start:%H}")


def hour_of(folder: Path) -> int:
    """The inverse of ``hour_folder``.

    Raises:
        ValueError: the folder is not one of the archive's.
    """
    day = date.fromisoformat(folder.parent.name.removeprefix("date="))
    start = datetime(day.year, day.month, day.day, int(folder.name.removeprefix("hour=")), tzinfo=UTC)
    return int(start.timestamp()) // 3600


def file_name(first: int, last: int | None = None) -> str:
    return f"trades-{first:010d}.parquet" if last is None else f"trades-{first:010d}-{last:010d}.parquet"


def parse_file(path: Path) -> BronzeFile | None:
    """The file behind a path; None when its name is not one of the archive's."""
    matched = _NAME.fullmatch(path.name)
    if matched is None:
        return None
    first = int(matched[1])
    return BronzeFile(path, first, int(matched[2] or first))


def split_superseded(files: Iterable[BronzeFile]) -> tuple[list[BronzeFile], list[BronzeFile]]:
    """The files that count, in order, and those that a compacted file stands for."""
    every = sorted(files)
    compacted = [file for file in every if file.last > file.first]
    superseded = {file for file in every if any(whole.covers(file) for whole in compacted)}
    return [file for file in every if file not in superseded], sorted(superseded)


def files_of_day(root: Path, day: date) -> tuple[list[BronzeFile], list[BronzeFile]]:
    """A UTC day's files that count, and its superseded ones."""
    folder = root / f"date={day:%Y-%m-%d}"
    return split_superseded(f for path in folder.glob("hour=*/*.parquet") if (f := parse_file(path)))


def days(root: Path) -> list[date]:
    """The UTC days that have a folder, in order."""
    return sorted(date.fromisoformat(folder.name.removeprefix("date=")) for folder in root.glob("date=*-*-*"))
