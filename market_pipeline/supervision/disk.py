"""What takes room on this machine: the disk under Cassandra's data, its tables and snapshots, any folder."""

import contextlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG


@dataclass(frozen=True)
class Disk:
    """The disk under Cassandra's data.

    Attributes:
        total: bytes it has.
        free: bytes of it that are free for us.
        tables: bytes of each table, snapshots left out.
        snapshots: bytes that only snapshots still hold.
    """

    total: int
    free: int
    tables: Mapping[str, int]
    snapshots: int

    @property
    def used(self) -> float:
        """The part that is not free, 0 to 1."""
        return 1.0 - self.free / self.total if self.total else 0.0


def disk(home: Path | None) -> Disk | None:
    """The disk under Cassandra's data, and what its tables and snapshots take of it; None where it can't be read here.

    Args:
        home: the directory that holds Cassandra's ``data``: ``settings.cassandra_home``.
    """
    if home is None:
        return None
    try:
        usage = shutil.disk_usage(home)
    except OSError:
        return None
    tables: dict[str, int] = {}
    snapshots = 0
    data = home / "data"
    for file in data.glob("*/*/**/*"):
        try:
            stat = file.lstat()
        except OSError:  # compaction removes files at any moment
            continue
        if not S_ISREG(stat.st_mode):
            continue
        keyspace, table, *rest = file.relative_to(data).parts
        if "snapshots" in rest:
            # a snapshot is a second name of a file: it takes room when it is the last one
            snapshots += stat.st_size if stat.st_nlink == 1 else 0
        else:
            name = f"{keyspace}.{table.partition('-')[0]}"
            tables[name] = tables.get(name, 0) + stat.st_size
    return Disk(usage.total, usage.free, tables, snapshots)


def bytes_below(folder: Path) -> int:
    """The size of all files below a folder; 0 where there is none."""
    total = 0
    for parent, _, names in os.walk(folder):  # passes over what it can't read
        for name in names:
            with contextlib.suppress(OSError):  # compaction removes files at any moment
                total += (Path(parent) / name).lstat().st_size
    return total
