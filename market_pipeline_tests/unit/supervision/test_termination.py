"""A program's end by a signal."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from market_pipeline.supervision.termination import on_termination

WAITS_IN_A_HANDLER = """
import os, signal, threading
from market_pipeline.supervision.termination import on_termination
ended = threading.Event()
on_termination(ended.set)
with ended._cond:  # as Event.wait holds it for a few steps
    os.kill(os.getpid(), {signum})
    for _ in range(1000):
        pass
assert ended.wait(10)
"""


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_interrupts_a_wait_for_the_same_event_ends_it(signum: signal.Signals) -> None:
    program = WAITS_IN_A_HANDLER.format(signum=int(signum))
    assert subprocess.run([sys.executable, "-c", program], timeout=30, check=False).returncode == 0


def test_a_second_signal_changes_nothing() -> None:
    calls = threading.Semaphore(0)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        on_termination(calls.release)
        os.kill(os.getpid(), signal.SIGTERM)
        assert calls.acquire(timeout=10)
        os.kill(os.getpid(), signal.SIGTERM)
        assert not calls.acquire(timeout=0.2)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
