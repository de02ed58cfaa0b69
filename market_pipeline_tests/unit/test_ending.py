"""A test that fails leaves no process."""

import subprocess
import sys

import psutil
import pytest

from market_pipeline_tests.ending import ended
from market_pipeline_tests.waiting import wait_for

STARTS_ONE = "import subprocess, sys; print(subprocess.Popen(['sleep', '600']).pid, flush=True); sys.stdin.read()"


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def fails_with_a_process_and_what_it_started(started: list[psutil.Process]) -> None:
    command = [sys.executable, "-c", STARTS_ONE]
    with ended(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)) as process:
        assert process.stdout is not None
        started += [psutil.Process(process.pid), psutil.Process(int(process.stdout.readline()))]
        raise ValueError


def test_a_process_and_what_it_started_end_with_a_test_that_fails() -> None:
    started = list[psutil.Process]()
    with pytest.raises(ValueError):  # noqa: PT011
        fails_with_a_process_and_what_it_started(started)
    assert len(started) == 2
    wait_for(lambda: all(gone(each) for each in started), "their end")


def test_one_that_has_ended_is_left_alone() -> None:
    with ended(subprocess.Popen(["true"])) as process:
        process.wait(10)
    with ended(psutil.Process(subprocess.Popen(["sleep", "600"]).pid)) as child:
        child.kill()
        child.wait(10)
