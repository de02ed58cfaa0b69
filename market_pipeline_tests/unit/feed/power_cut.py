"""A disk that loses what was not synced: what a power cut leaves of a directory, for the code that writes there.

Names and bytes are the file system's own; what is added is the memory of what was synced. A cut takes from each file
any part of what came after its last sync, perhaps leaving zeros where blocks were not written, and any file whose name
was never synced with the directory.
"""

import os
import random
import stat
from pathlib import Path

import pytest


class Disk:
    """What of a directory is safe from a power cut. Nothing is really synced, so that tests are quick.

    Args:
        directory: the one that is watched.
        patch: undone by the caller.
    """

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.syncs = 0
        self._safe_bytes: dict[int, int] = {}
        self._safe_names: set[str] = set()
        patch.setattr(os, "fdatasync", self._sync)
        patch.setattr(os, "fsync", self._sync)

    def cut(self, chance: random.Random) -> None:
        """Cut the power. Whoever has files open must be gone."""
        for path in sorted(self.directory.iterdir()):
            if path.name not in self._safe_names and chance.random() < 0.5:
                path.unlink()
                continue
            status = path.stat()
            safe = min(self._safe_bytes.get(status.st_ino, 0), status.st_size)
            kept = chance.choice([safe, status.st_size, chance.randint(safe, status.st_size)])
            written = chance.choice([kept, chance.randint(safe, kept)])
            content = path.read_bytes()
            path.write_bytes(content[:written] + b"\0" * (kept - written))
        self._safe_bytes = {path.stat().st_ino: path.stat().st_size for path in self.directory.iterdir()}
        self._safe_names = {path.name for path in self.directory.iterdir()}

    def _sync(self, descriptor: int) -> None:
        self.syncs += 1
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            self._safe_names = {path.name for path in self.directory.iterdir()}
        else:
            self._safe_bytes[status.st_ino] = status.st_size
