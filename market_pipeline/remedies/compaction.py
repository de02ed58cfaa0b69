"""Compacts a keyspace of Cassandra and cleans it up, where the disk has room for it.

A major compaction writes a table anew before it deletes what was there, so it needs as much room as its largest table.
"""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from market_pipeline.local.nodetool import nodetool_command
from market_pipeline.mendable import Mendable, Refused
from market_pipeline.settings import Settings
from market_pipeline.supervision.disk import Disk, disk

WITHIN_S = 3_600.0
SHOWN_LINES = 5


class NoRoom(Refused):
    """The largest table may not fit beside itself; the message has the figures, and what makes room."""


class NodetoolFailed(Mendable):
    """nodetool ended badly; the message is the end of what it said."""


@dataclass(frozen=True)
class Compacted:
    """A keyspace before and after; sizes in bytes, by table."""

    keyspace: str
    before: Mapping[str, int]
    after: Mapping[str, int]
    seconds: float

    @property
    def freed(self) -> int:
        """Bytes; below 0 where more came meanwhile."""
        return sum(self.before.values()) - sum(self.after.values())

    def __str__(self) -> str:
        mb = round(self.freed / 1e6, 1)
        what = f"{mb:,.1f} MB freed" if mb >= 0 else f"{-mb:,.1f} MB more than before, for more came meanwhile"
        return f"{what.removeprefix('-')}, in {self.seconds:.0f} s"


def check_room(found: Disk, keyspace: str) -> None:
    """See that the keyspace's largest table fits into what is free.

    Raises:
        NoRoom: it does not.
    """
    sizes = of_keyspace(found, keyspace)
    if not sizes:
        return
    largest = max(sizes, key=lambda name: sizes[name])
    if sizes[largest] <= found.free:
        return
    raise NoRoom(
        f"compacting {largest} may need its {_mb(sizes[largest])} again, and {_mb(found.free)} are free. What makes "
        f"room: `nodetool clearsnapshot --all` ({_mb(found.snapshots)} are only in snapshots); a shorter "
        "default_time_to_live of trades_silver, whose days are in the bronze archive too (whole windows go without a "
        "compaction); or a larger disk"
    )


def compact(settings: Settings, nodetool: Callable[[Sequence[str]], None] | None = None) -> Compacted:
    """Compact the pipeline's keyspace and remove what belongs to other nodes.

    Args:
        settings: of the pipeline.
        nodetool: runs one command of nodetool; by default on the pipeline's Cassandra.

    Raises:
        NoRoom: the disk has no room for it.
        NodetoolFailed: nodetool ended badly.
        NoNodetool, NoJava, JarError: nodetool can't be started.
    """
    run = nodetool or (lambda arguments: run_nodetool(settings, arguments))
    began, before = time.monotonic(), _look(settings)
    if before is not None:
        check_room(before, settings.keyspace)
    for command in ("compact", "cleanup"):
        run((command, settings.keyspace))
    after = _look(settings)
    return Compacted(
        settings.keyspace,
        of_keyspace(before, settings.keyspace) if before else {},
        of_keyspace(after, settings.keyspace) if after else {},
        time.monotonic() - began,
    )


def run_nodetool(settings: Settings, arguments: Sequence[str]) -> str:
    """One command of nodetool; returns what it printed.

    Raises:
        NodetoolFailed: it ended badly, or not within an hour.
        NoNodetool, NoJava, JarError: it can't be started.
    """
    try:
        done = subprocess.run(
            nodetool_command(settings, arguments), capture_output=True, text=True, timeout=WITHIN_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise NodetoolFailed(f"nodetool {' '.join(arguments)} is not done after {WITHIN_S:.0f} s") from None
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).strip().splitlines()[-SHOWN_LINES:])
        raise NodetoolFailed(f"nodetool {' '.join(arguments)} ended with {done.returncode}: {said}")
    return done.stdout


def of_keyspace(found: Disk, keyspace: str) -> dict[str, int]:
    """The sizes of one keyspace's tables, by table."""
    prefix = f"{keyspace}."
    return {name.removeprefix(prefix): size for name, size in found.tables.items() if name.startswith(prefix)}


def _look(settings: Settings) -> Disk | None:
    return disk(settings.cassandra_home)


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
