"""A lock that a program holds for its whole life, so that a second copy ends at once.

The kernel frees it on any death, ``kill -9`` included: *alive* means that the lock is held, never that a pid exists.
"""

import fcntl
import os
import time
from pathlib import Path

from market_pipeline.mendable import Mendable

EXIT_ALREADY_RUNNING = 75
"""EX_TEMPFAIL of sysexits.h: another copy holds the lock."""

LOOKED_AT_FOR_S = 0.2
"""Who asks for the holder has the lock for an instant, which must not be taken for another copy."""


class AlreadyRunning(Mendable):
    """Another process holds the lock; ``pid`` is what it wrote into it, 0 if it wrote nothing yet."""

    def __init__(self, path: Path, pid: int) -> None:
        super().__init__(f"{path.stem} is already running (pid {pid or 'unknown'}, lock {path})")
        self.pid = pid


class ProcessLock:
    """An exclusive ``flock`` on a file. Children don't inherit it: who does the work must take it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> "ProcessLock":
        """Take the lock and write our pid into it.

        Raises:
            AlreadyRunning: another process holds it.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        if not _taken(descriptor):
            pid = _pid_in(descriptor)
            os.close(descriptor)
            raise AlreadyRunning(self.path, pid)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._descriptor = descriptor
        return self

    def keep_through_exec(self, descriptor: int | None = None) -> None:
        """Let the program that replaces this process by ``exec`` go on holding the lock, under the same pid.

        Args:
            descriptor: the number that the open file shall have then, for a program that closes others at its start.
        """
        if self._descriptor is None:
            return
        if descriptor is not None and descriptor != self._descriptor:
            os.dup2(self._descriptor, descriptor)
            os.close(self._descriptor)
            self._descriptor = descriptor
        os.set_inheritable(self._descriptor, True)

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "ProcessLock":
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def holder(path: Path) -> int | None:
    """The pid of the process that holds the lock, None when nobody does (0: held, pid not yet written)."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _pid_in(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    deadline = time.monotonic() + LOOKED_AT_FOR_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOKED_AT_FOR_S / 20)
        else:
            return True


def _pid_in(descriptor: int) -> int:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else 0
