"""A run of the archive without Kafka, with records of our own, as a program that is killed at every step it makes.

Every change of the disk is counted; before the one that was asked for the process kills itself with SIGKILL.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from market_pipeline.bronze import archive
from market_pipeline.bronze.commit import commit, current_manifest, recover, staging_folder
from market_pipeline.bronze.layout import HOUR_MS
from market_pipeline.bronze.writer import Batch, HourWriter
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


def run(settings: Settings, end: int) -> None:
    """What ``archive_new`` does, with records of our own in place of Kafka's."""
    root = settings.paths.bronze
    with archive.writing(settings):
        recover(root)
        manifest = current_manifest(root, "trades_raw", "id")
        writer = HourWriter(staging_folder(root), manifest.commits)
        for partition in (0, 1):
            batch = Batch()
            for offset in range(manifest.next_offsets.get(partition, 0), end):
                batch.append(value_of(partition, offset), partition, offset, START_MS)
            writer.add(batch)
        files = writer.close()
        if files:
            commit(root, manifest.advanced({0: end, 1: end}), [file.path for file in files])


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


if __name__ == "__main__":
    data_dir, what, step = sys.argv[1:]
    given = Settings.load(data_dir=Path(data_dir))
    die_before(int(step))
    compact(given) if what == "compact" else run(given, int(what))
