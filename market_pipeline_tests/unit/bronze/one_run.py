"""A run of the archive without Kafka, with records of our own, as a process that is killed at every step it makes.

Every change of the disk is counted; before the one that was asked for the process kills itself with SIGKILL. Each run
is forked off a program that has loaded what it needs, which takes longer than the run.
"""

import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd  # noqa: F401 - what the archive imports when it is used, loaded before any run is forked
import pyarrow.parquet as pq  # noqa: F401

from market_pipeline.bronze import archive
from market_pipeline.bronze.layout import HOUR_MS
from market_pipeline.bronze.manifest import Manifest, OffsetGap
from market_pipeline.bronze.source import Reach, plan
from market_pipeline.bronze.writer import Batch
from market_pipeline.model import Trade, encode, trade_id
from market_pipeline.settings import Settings

START_MS = 1_763_002_800_000
"""On the hour."""
CHANGES = ((Path, "replace"), (Path, "unlink"), (shutil, "rmtree"), (os, "fsync"))


def value_of(partition: int, offset: int) -> bytes:
    """A trade, or, every seventh, rubbish."""
    if offset % 7 == 3:
        return b"\xffrubbish %d %d" % (partition, offset)
    ts = START_MS + (offset % 2) * HOUR_MS + offset
    received_at = ts * 1000 + partition
    return encode(
        Trade("AAPL", Decimal("1.5"), Decimal(offset + 1), ts, trade_id(received_at, 0), 0, "replay", received_at)
    )


@dataclass
class Records:
    """A topic of two partitions with records of our own in place of Kafka's, up to an offset."""

    end: int
    positions: dict[int, int] = field(default_factory=dict)

    def identity(self) -> str:
        return "id"

    def reach(self, manifest: Manifest, identity: str) -> Reach:
        return plan(manifest, identity, {0: 0, 1: 0}, {0: self.end, 1: self.end}, datetime.now(UTC))

    @contextmanager
    def open_reader(self, span: Reach) -> Iterator["Records"]:
        self.positions = dict(span.start)
        yield self

    def batches(self) -> Iterator[Batch]:
        for partition, start in list(self.positions.items()):
            batch = Batch()
            for offset in range(start, self.end):
                batch.append(value_of(partition, offset), partition, offset, START_MS)
            self.positions[partition] = self.end
            yield batch

    def take_gaps(self) -> tuple[OffsetGap, ...]:
        return ()


def run(settings: Settings, end: int) -> None:
    """``archive_new`` as it is, of records of our own."""
    archive.archive_new(settings, Records(end))


def compact(settings: Settings) -> None:
    archive.compact(settings, datetime.fromtimestamp(START_MS / 1000, UTC) + timedelta(hours=6))


def die_before(number: int) -> None:
    """From now on the ``number``-th change of the disk is not made: the process is killed instead."""
    count = 0

    def counted(change: Callable[..., Any]) -> Callable[..., Any]:
        def do(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return change(*args, **kwargs)

        return do

    for owner, name in CHANGES:
        setattr(owner, name, counted(getattr(owner, name)))


def die_alone(data_dir: str, what: str, step: int) -> int:
    """One run in a process of its own; returns how it ended, as ``subprocess`` tells it."""
    child = os.fork()
    if child == 0:
        try:
            given = Settings.load(data_dir=Path(data_dir))
            die_before(step)
            compact(given) if what == "compact" else run(given, int(what))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(f"{die_alone(*json.loads(line))}\n")
        sys.stdout.flush()
