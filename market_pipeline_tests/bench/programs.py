"""Starts the pipeline's own programs as they are, without a supervisor, and weighs them."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from market_pipeline.local.logs import tail
from market_pipeline.settings import Settings

SERVERS = {"kafka": "kafka", "cassandra": "cassandra"}
MODULES = {
    "feed-server": "market_pipeline.feed.server",
    "producer": "market_pipeline.feed.producer",
    "stream": "market_pipeline.stream.application",
    "rows": "market_pipeline_tests.bench.baseline",
    "batches": "market_pipeline_tests.bench.baseline",
}


class Program:
    """A running program and all that it started."""

    def __init__(self, name: str, settings: Settings, arguments: list[str], **variables: str) -> None:
        self.name = name
        settings.paths.logs.mkdir(parents=True, exist_ok=True)
        self.log: Path = settings.paths.log(name)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                env=os.environ | dict(settings.environment()) | variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def family(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            leader = psutil.Process(self.process.pid)
            return [leader, *leader.children(recursive=True)]
        return []

    def cpu_s(self) -> float:
        """CPU seconds used so far."""
        total = 0.0
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def rss_mb(self) -> float:
        total = 0
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total / 2**20

    def alive(self) -> None:
        code = self.process.poll()
        if code is not None:
            raise SystemExit(f"{self.name} ended with {code}; the end of its log:\n{tail(self.log)}")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def program(name: str, settings: Settings, *arguments: str, **variables: str) -> Iterator[Program]:
    """The program for as long as the block lasts."""
    module = ["market_pipeline.local.launch", name] if name in SERVERS else [MODULES[name], *arguments]
    running = Program(name, settings, module, **variables)
    try:
        yield running
    finally:
        running.stop()


@contextlib.contextmanager
def weighed(programs: list[Program]) -> Iterator[dict[str, tuple[float, float]]]:
    """Fills in, at the end of the block: by program, cores used (CPU seconds a second) and resident MiB."""
    weights: dict[str, tuple[float, float]] = {}
    before, began = {p.name: p.cpu_s() for p in programs}, time.monotonic()
    yield weights
    took = time.monotonic() - began
    weights |= {p.name: ((p.cpu_s() - before[p.name]) / took, p.rss_mb()) for p in programs}
