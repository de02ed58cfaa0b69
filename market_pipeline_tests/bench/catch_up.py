"""How many rows a second become queryable after a start far behind, the start itself left out."""

import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from market_pipeline.local.jars import classpath
from market_pipeline.local.java import java_home
from market_pipeline.local.jvm import joined
from market_pipeline.local.pyspark_jars import pyspark_jars
from market_pipeline.model import Trade
from market_pipeline.stream.query import (
    BAR_INTERVAL_MS,
    BAR_ROOM,
    CONCURRENT,
    LARGEST_BATCH,
    MOST_IN_FLIGHT,
    MOST_QUEUED,
)
from market_pipeline.writer.compiled import compiled, sources
from market_pipeline.writer.connection_file import connection_file
from market_pipeline_tests.bench.arms import Arm, ready, running
from market_pipeline_tests.bench.prober import Prober
from market_pipeline_tests.bench.programs import Program
from market_pipeline_tests.bench.servers import Servers, say, wait_until
from market_pipeline_tests.bench.trades import SYMBOLS, backlog, produce

SAMPLES = 1_000
FIRST_WITHIN_S = 300.0
GIVE_UP_S = 90.0
"""After so long a slow one is not waited for: its rate is known."""

JAVA = Path(__file__).parents[1] / "java"
LIMITS = (CONCURRENT, MOST_IN_FLIGHT, LARGEST_BATCH, MOST_QUEUED, BAR_ROOM, BAR_INTERVAL_MS)
CEILING = "the same writer, rows from memory"


def measure(servers: Servers, arms: Sequence[Arm], *, rounds: int, rows: int) -> dict[str, Any]:
    """Rows a second of each arm by round, and those of the writer alone; the arms take turns."""
    rates: dict[str, list[float]] = {}
    for number in range(1, rounds + 1):
        for arm in arms:
            say(f"round {number} of {rounds}: {arm.name} catches up on {rows:,} rows")
            rates.setdefault(arm.name, []).append(rate_of(arm, servers, rows))
            say(f"{rates[arm.name][-1]:,.0f} rows/s")
        say(f"round {number} of {rounds}: {CEILING}")
        rates.setdefault(CEILING, []).append(ceiling(servers, rows))
        say(f"{rates[CEILING][-1]:,.0f} rows/s")
    return {"rows": rows, "symbols": SYMBOLS, "rates": rates}


def rate_of(arm: Arm, servers: Servers, rows: int, symbols: int = SYMBOLS) -> float:
    """Rows a second of one start."""
    with ready(arm, servers):
        pass  # so that it has its place in the topic, and the tables are there
    prober = Prober(servers.session, arm.keyspace(servers))
    trades = list(backlog(rows, symbols))
    produce(servers.settings, trades)
    with running(arm, servers) as started:
        progress = Progress(prober, trades)
        wait_until(lambda: progress.seen() > 0, "the first rows", within_s=FIRST_WITHIN_S, programs=(started,))
        return _rate(progress, started)


def _rate(progress: "Progress", started: Program) -> float:
    began, first = time.monotonic(), progress.seen()
    while (seen := progress.seen()) < progress.rows and time.monotonic() - began < GIVE_UP_S:
        started.check()
        time.sleep(0.05)
    return (seen - first) / (time.monotonic() - began)


class Progress:
    """How many of a backlog's rows can be queried, by samples: of each symbol in the order in which they come."""

    def __init__(self, prober: Prober, trades: Sequence[Trade]) -> None:
        self._prober = prober
        self._waiting: dict[str, deque[Trade]] = {}
        step = max(1, len(trades) // SAMPLES)
        # one later in each step, or all might be of one symbol
        places = [min(first + first // step % step, len(trades) - 1) for first in range(0, len(trades), step)]
        for trade in (trades[place] for place in places):
            self._waiting.setdefault(trade.symbol, deque()).append(trade)
        self._samples = self._left = len(places)
        self.rows = len(trades)

    def seen(self) -> int:
        for waiting in self._waiting.values():
            while waiting and self._prober.is_queryable(waiting[0]):
                waiting.popleft()
                self._left -= 1
        return self.rows * (self._samples - self._left) // self._samples


def ceiling(servers: Servers, rows: int) -> float:
    """Rows a second of the writer without Kafka and Spark: all three tables, from memory."""
    settings = servers.settings
    java = java_home(settings)
    own = {str(file.relative_to(JAVA)): file.read_bytes() for file in JAVA.rglob("*.java")}
    against = [*classpath("spark"), *pyspark_jars()]
    with tempfile.TemporaryDirectory(dir=servers.folder) as scratch:
        jar = compiled(java, sources() | own, against, Path(scratch))
        done = subprocess.run(
            [java / "bin" / "java", "-cp", joined([jar, *against]), "marketpipeline.FromMemory",
             str(connection_file(settings)), str(rows), str(SYMBOLS), *map(str, LIMITS)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"the writer alone failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])
