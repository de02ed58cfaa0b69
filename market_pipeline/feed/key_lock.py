"""One socket a key: the vendor closes both of two, so two producers with one key would kick each other off for ever.

Each data dir has its own lock for its producer; this one is of the user, for all data dirs.
"""

import hashlib
import os
from pathlib import Path

from market_pipeline.mendable import Mendable
from market_pipeline.supervision.lock import AlreadyRunning, ProcessLock

_SALT = b"market-pipeline: the name of a lock, not the key"


class KeyInUse(Mendable):
    """Another producer of this user holds the key; the message is one line and names the cure."""

    def __init__(self, pid: int) -> None:
        super().__init__(
            f"another producer (pid {pid or 'unknown'}) uses this FINNHUB_API_KEY, and the vendor allows one "
            "connection a key: stop that pipeline, or give this one another key or --feed simulator"
        )


def state_dir() -> Path:
    """Where programs of this user keep what outlives them (XDG), whatever the data dir.

    Raises:
        OSError: the user has no home.
    """
    try:
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "market-pipeline"
    except RuntimeError as error:
        raise OSError(str(error)) from None


def lock_of(key: str, folder: Path) -> ProcessLock:
    """The lock of a key; its name tells nothing of the key."""
    return ProcessLock(folder / f"key-{hashlib.sha256(_SALT + key.encode()).hexdigest()[:16]}.lock")


def hold(key: str, folder: Path) -> ProcessLock:
    """Take the lock of a key for as long as this process lives or the lock is not released.

    Raises:
        KeyInUse: another process has it.
        OSError: there can be no lock in the folder.
    """
    try:
        return lock_of(key, folder).acquire()
    except AlreadyRunning as error:
        raise KeyInUse(error.pid) from None
