"""Processes that end with the test that started them, also when it fails."""

import contextlib
import subprocess
from collections.abc import Iterator
from typing import TypeVar

import psutil

Started = TypeVar("Started", "subprocess.Popen[bytes]", "subprocess.Popen[str]", psutil.Process)
ENDS_WITHIN_S = 20


@contextlib.contextmanager
def ended(process: Started) -> Iterator[Started]:
    """On leaving, the process is killed with all that it started and still has; what has ended is left alone."""
    try:
        yield process
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            leader = process if isinstance(process, psutil.Process) else psutil.Process(process.pid)
            for each in (leader, *leader.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
        if not isinstance(process, psutil.Process):
            process.wait(ENDS_WITHIN_S)
