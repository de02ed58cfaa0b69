"""What takes room on this machine: the disk under Cassandra's data, its tables and snapshots, any folder."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

_BELOW_A_TABLE = 3
"""Parts of a file's path: keyspace, table, and what is below."""


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
        """How full it is, 0 to 1, as ``df`` has it: of what may be used, without what is reserved for root."""
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
    for file, stat in _files_below(data):
        if not S_ISREG(stat.st_mode) or len(parts := file.relative_to(data).parts) < _BELOW_A_TABLE:
            continue
        keyspace, table, *rest = parts
        if "snapshots" in rest:
            # a snapshot is a second name of a file: it takes room when it is the last one
            snapshots += stat.st_size if stat.st_nlink == 1 else 0
        else:
            name = f"{keyspace}.{table.partition('-')[0]}"
            tables[name] = tables.get(name, 0) + stat.st_size
    return Disk(usage.used + usage.free, usage.free, tables, snapshots)


def bytes_below(folder: Path) -> int:
    """The size of all files below a folder; 0 where there is none."""
    return sum(stat.st_size for _, stat in _files_below(folder))


def _files_below(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every file, as far as it can be read: compaction and ``clearsnapshot`` remove files and folders at any moment."""
    for parent, _, names in os.walk(folder):  # passes over a folder that it can't read
        for name in names:
            file = Path(parent) / name
            with contextlib.suppress(OSError):
                yield file, file.lstat()
