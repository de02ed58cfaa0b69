"""Waiting for a condition, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
POLL_S = 0.05
AT_MOST_S = 1.0


def wait_for(condition: Callable[[], T], what: str, within_s: float = 60) -> T:
    """Ask again and again until the answer is true, and return it.

    An answer that takes long is asked for less often, or the asking would take a core from what it waits for.
    """
    deadline = time.monotonic() + within_s
    while True:
        asked_at = time.monotonic()
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {within_s:.0f} s for {what}"
        time.sleep(min(max(POLL_S, 2 * (time.monotonic() - asked_at)), AT_MOST_S))
