"""Waiting for a condition, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
POLL_S = 0.05


def wait_for(condition: Callable[[], T], what: str, within_s: float = 60) -> T:
    """Ask again and again until the answer is true, and return it."""
    deadline = time.monotonic() + within_s
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {within_s:.0f} s for {what}"
        time.sleep(POLL_S)
