"""Starts programs without a supervisor, and weighs them: CPU seconds and resident memory, with all their children."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from market_pipeline.local.logs import tail
from market_pipeline.settings import Settings
from market_pipeline_tests.conftest import die_with_parent


@dataclass(frozen=True)
class Weight:
    """What a program took over some time: cores (CPU seconds a second), and resident MiB at the end of it."""

    cores: float
    mib: float


def family(pid: int) -> list[psutil.Process]:
    """A process and all that it started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    return []


def cpu_s(pid: int) -> float:
    """CPU seconds that a process and all that it started have used so far."""
    total = 0.0
    for process in family(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def rss_mib(pid: int) -> float:
    total = 0
    for process in family(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total / 2**20


@contextlib.contextmanager
def weighed(pids: Mapping[str, int]) -> Iterator[dict[str, Weight]]:
    """Fills in, at the end of the block, the weight of each of the processes by its name."""
    weights: dict[str, Weight] = {}
    before, began = {name: cpu_s(pid) for name, pid in pids.items()}, time.monotonic()
    yield weights
    took = time.monotonic() - began
    weights |= {name: Weight((cpu_s(pid) - before[name]) / took, rss_mib(pid)) for name, pid in pids.items()}


class Program:
    """A running program. Its output goes to a log in the data dir."""

    def __init__(self, name: str, settings: Settings, command: Sequence[str | Path], **variables: str) -> None:
        self.name = name
        settings.paths.logs.mkdir(parents=True, exist_ok=True)
        self.log = settings.paths.logs / f"{name.replace(' ', '-').replace(',', '')}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                list(command),
                env=os.environ | dict(settings.environment()) | variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def check(self) -> None:
        """Give up when it has ended, with the end of its log."""
        code = self.process.poll()
        if code is not None:
            raise SystemExit(f"{self.name} ended with {code}; the end of its log:\n{tail(self.log)}")

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for it and all that it started if that does not help."""
        everything = family(self.pid)
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            for each in everything:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
            self.process.wait()


@contextlib.contextmanager
def program(name: str, settings: Settings, command: Sequence[str | Path], **variables: str) -> Iterator[Program]:
    """The program for as long as the block lasts."""
    running = Program(name, settings, command, **variables)
    try:
        yield running
    finally:
        running.stop()
