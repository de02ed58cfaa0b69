"""A child that lives no longer than its parent, however that one ends."""

import ctypes
import os
import signal
from collections.abc import Callable

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> Callable[[], None]:
    """For ``preexec_fn``: the child is killed when the thread of ``parent`` that started it ends (Linux)."""
    libc = ctypes.CDLL(None, use_errno=True)

    def in_child() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return in_child
