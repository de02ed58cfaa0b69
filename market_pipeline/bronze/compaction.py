"""Makes one file of a closed hour's many, and keeps every record readable exactly once while it does.

The new file is renamed into place first; its name says which ones it stands for, so that from that moment readers leave
those out (see ``bronze.layout``), and they can be deleted at any time. A run that was cut short is cleaned by the next.
"""

import logging
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from market_pipeline.bronze.commit import staging_folder
from market_pipeline.bronze.layout import SCHEMA, BronzeFile, days, file_name, files_of_day
from market_pipeline.bronze.manifest import sync_folder
from market_pipeline.bronze.writer import ROW_GROUP_ROWS, EventTimes, open_writer

logger = logging.getLogger(__name__)

SETTLED = timedelta(hours=2)
"""How long an hour has been over before its files are compacted: late trades still come for a while."""

Exclusive = Callable[[], AbstractContextManager[None]]
"""Keeps readers away while it is held; raises BlockingIOError when there are some."""


@dataclass
class CompactionResult:
    """``hours`` were made one file of ``files_before`` each; ``postponed`` hours were being read."""

    hours: int = 0
    files_before: int = 0
    rows: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    postponed: int = 0


def compact_hours(root: Path, before: datetime, exclusive: Exclusive) -> CompactionResult:
    """Compact every hour that ended by ``before``. Only the holder of the archive's lock may call this."""
    last_hour = int(before.timestamp()) // 3600
    result = CompactionResult()
    for day in days(root):
        live, superseded = files_of_day(root, day)
        _delete(superseded, exclusive, result)
        by_hour: dict[int, list[BronzeFile]] = {}
        for file in live:
            by_hour.setdefault(file.hour, []).append(file)
        for hour, files in sorted(by_hour.items()):
            if hour < last_hour and len(files) > 1:
                _compact(root, files, exclusive, result)
    shutil.rmtree(staging_folder(root), ignore_errors=True)
    return result


def _compact(root: Path, files: list[BronzeFile], exclusive: Exclusive, result: CompactionResult) -> None:
    name = file_name(min(file.first for file in files), max(file.last for file in files))
    folder = files[0].path.parent
    staged = staging_folder(root) / folder.relative_to(root) / name
    result.rows += _merge(files, staged)
    result.hours += 1
    result.files_before += len(files)
    result.bytes_before += sum(file.path.stat().st_size for file in files)
    result.bytes_after += staged.stat().st_size
    staged.replace(folder / name)
    sync_folder(folder)
    _delete(files, exclusive, result)


def _merge(files: list[BronzeFile], target: Path) -> int:
    """Records stay in order of commit; row groups are made full."""
    times, rows = EventTimes(), 0
    waiting: list[pa.RecordBatch] = []
    writer = open_writer(target)
    try:
        for file in sorted(files, key=lambda each: each.first):
            with pq.ParquetFile(file.path) as source:
                times.merge(EventTimes.from_metadata(source.metadata.metadata))
                for batch in source.iter_batches(ROW_GROUP_ROWS):
                    waiting.append(batch)
                    if sum(each.num_rows for each in waiting) >= ROW_GROUP_ROWS:
                        rows += _write(writer, waiting)
        rows += _write(writer, waiting)
        writer.add_key_value_metadata(times.to_metadata())
    finally:
        writer.close()
    with target.open("rb") as finished:
        os.fsync(finished.fileno())
    return rows


def _write(writer: pq.ParquetWriter, waiting: list[pa.RecordBatch]) -> int:
    table = pa.Table.from_batches(waiting, schema=SCHEMA)
    waiting.clear()
    if table.num_rows:
        writer.write_table(table)
    return int(table.num_rows)


def _delete(files: list[BronzeFile], exclusive: Exclusive, result: CompactionResult) -> None:
    if not files:
        return
    try:
        with exclusive():
            for file in files:
                file.path.unlink()
    except BlockingIOError:
        result.postponed += 1
        logger.info("%s superseded files are being read and stay until the next compaction", len(files))
