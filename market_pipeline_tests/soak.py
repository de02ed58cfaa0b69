"""Trades for an hour, and every minute a fault at random: then every trade is compared on every hop.

    make soak ARGS="--minutes 60 --rate 1000"

Beside it a reader asks for the latest prices, which may never go backwards. With ``--cluster`` the stream runs on a
Spark standalone cluster of this machine, whose executor may be killed too. The seed that is printed repeats the order
of faults.
"""

import argparse
import contextlib
import json
import math
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from market_pipeline.local.supervisor_client import SupervisorClient
from market_pipeline.store.cluster import STORE_ERRORS, connect
from market_pipeline_tests.bench.servers import free_base, say
from market_pipeline_tests.nightly.spark_cluster import SparkCluster, spark_cluster
from market_pipeline_tests.running import RunningPipeline
from market_pipeline_tests.waiting import wait_for

CASSANDRA_AWAY_S = 60.0
HANGS_S = 20.0
READ_EVERY_S = 0.5
CATCHES_UP_WITHIN_S = 900.0
CLUSTER_SLOTS = 8
SOME = 5_000
"""Records that may wait while trades come."""


@dataclass
class PriceReader:
    """Reads ``latest_prices`` again and again; a price's write time is its trade's own and may only grow.

    Attributes:
        backwards: what went backwards, a line each.
        reads: how often all prices were read.
        away: how often Cassandra did not answer.
    """

    pipeline: RunningPipeline
    backwards: list[str] = field(default_factory=list)
    reads: int = 0
    away: int = 0
    _newest: dict[str, tuple[int, str]] = field(default_factory=dict)

    def run(self, stopped: threading.Event) -> None:
        while not stopped.is_set():
            with contextlib.suppress(*STORE_ERRORS), connect(self.pipeline.settings, timeout_s=10) as session:
                while not stopped.wait(READ_EVERY_S):
                    self._read(session)
            self.away += not stopped.wait(READ_EVERY_S)

    def _read(self, session: Any) -> None:
        keyspace = self.pipeline.settings.keyspace
        for row in session.execute(f"SELECT symbol, trade_id, WRITETIME(price) AS us FROM {keyspace}.latest_prices"):
            now, before = (row.us, row.trade_id), self._newest.get(row.symbol)
            if before is not None and now[0] < before[0]:
                self.backwards.append(f"{row.symbol}: {before[1]} at {before[0]}, then {now[1]} at {now[0]}")
            self._newest[row.symbol] = now
        self.reads += 1


class Faults:
    """What is done to a pipeline. Each returns when it has been done, not when the pipeline is well again."""

    def __init__(self, pipeline: RunningPipeline, cluster: SparkCluster | None) -> None:
        self._pipeline = pipeline
        self._cluster = cluster
        self._supervisor = SupervisorClient(pipeline.settings)
        self.every: dict[str, Callable[[], None]] = {
            **{f"SIGKILL of {name}": self._killer(name) for name in ("producer", "stream", "kafka", "cassandra")},
            **{
                f"{HANGS_S:.0f} s of SIGSTOP of {name}": self._stopper(name)
                for name in ("producer", "kafka", "cassandra")
            },
            "SIGSTOP of the stream's JVM": self._stop_jvm,
            "restart of kafka": lambda: self._restart("kafka"),
            f"{CASSANDRA_AWAY_S:.0f} s without cassandra": self._cassandra_away,
        }
        if cluster is not None:
            self.every["SIGKILL of the executor"] = self._kill_executor

    def _pid(self, name: str) -> int | None:
        return self._supervisor.processes()[name].pid

    def _signal(self, pid: int | None, number: signal.Signals) -> None:
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _killer(self, name: str) -> Callable[[], None]:
        return lambda: self._signal(self._pid(name), signal.SIGKILL)

    def _stopper(self, name: str) -> Callable[[], None]:
        def stop() -> None:
            pid = self._pid(name)
            self._signal(pid, signal.SIGSTOP)
            time.sleep(HANGS_S)
            self._signal(pid, signal.SIGCONT)

        return stop

    def _stop_jvm(self) -> None:
        """For good: the stream has to notice."""
        pid = self._pid("stream")
        children = psutil.Process(pid).children(recursive=True) if pid else []
        for child in children:
            if child.name() == "java":
                self._signal(child.pid, signal.SIGSTOP)

    def _restart(self, name: str) -> None:
        self._supervisor.stop(name, 60)
        self._supervisor.start(name)

    def _cassandra_away(self) -> None:
        self._supervisor.stop("cassandra", 60)
        time.sleep(CASSANDRA_AWAY_S)
        self._supervisor.start("cassandra")

    def _kill_executor(self) -> None:
        assert self._cluster is not None
        for pid in self._cluster.executors():
            self._signal(pid, signal.SIGKILL)


def soak(pipeline: RunningPipeline, cluster: SparkCluster | None, minutes: int, seed: int) -> dict[str, Any]:
    """Break a running pipeline once a minute, then stop its feed, let it catch up, and compare every hop."""
    chance, faults, reader, stopped = (
        random.Random(seed),
        Faults(pipeline, cluster),
        PriceReader(pipeline),
        threading.Event(),
    )
    thread = threading.Thread(target=reader.run, args=(stopped,), daemon=True)
    thread.start()
    done: dict[str, int] = {}
    began = time.monotonic()
    for minute in range(minutes):
        time.sleep(max(0.0, began + 60 * minute + chance.uniform(0, 20) - time.monotonic()))
        name = chance.choice(sorted(faults.every))
        say(f"minute {minute + 1} of {minutes}: {name}")
        faults.every[name]()
        done[name] = done.get(name, 0) + 1
    say("the last fault is over: waiting until nothing waits")
    wait_for(lambda: _lag(pipeline) < SOME, "the pipeline to be well", within_s=CATCHES_UP_WITHIN_S)
    SupervisorClient(pipeline.settings).stop("feed-server", 60)
    wait_for(lambda: _lag(pipeline) == 0, "the stream to catch up", within_s=CATCHES_UP_WITHIN_S)
    stopped.set()
    thread.join(30)
    say("comparing every hop")
    reports = [pipeline.reconciled(str(day)) for day in _days(pipeline)]
    return {
        "seed": seed,
        "minutes": minutes,
        "faults": done,
        "price_reads": reader.reads,
        "prices_backwards": reader.backwards,
        "reports": reports,
        "clean": not reader.backwards and all(report["clean"] for report in reports),
    }


def _lag(pipeline: RunningPipeline) -> float:
    """Records that are not queryable yet; infinite while nobody knows."""
    with contextlib.suppress(*STORE_ERRORS, OSError, KeyError):
        lag = pipeline.status()["stream"]["lag"]
        return math.inf if lag is None else float(lag)
    return math.inf


def _days(pipeline: RunningPipeline) -> list[str]:
    return sorted({row["day"] for row in pipeline.rows("SELECT day FROM market_data.ohlcv_1m")})


@contextlib.contextmanager
def running(folder: Path, rate: int, on_cluster: bool) -> Iterator[tuple[RunningPipeline, SparkCluster | None]]:
    """A pipeline fed by the simulator, on a cluster or not."""
    with contextlib.ExitStack() as stack:
        cluster = (
            stack.enter_context(spark_cluster(folder / "cluster", free_base(), CLUSTER_SLOTS)) if on_cluster else None
        )
        pipeline = RunningPipeline(folder / "data", free_base())
        if cluster is not None:
            pipeline.environment |= {
                "SPARK_MASTER": cluster.url,
                "MARKET_PIPELINE_SPARK_AUTH_SECRET_FILE": str(cluster.secret),
            }
        stack.callback(pipeline.stop)
        pipeline.up("--no-dagster", "--feed", "simulator", MARKET_PIPELINE_RATE=str(rate))
        yield pipeline, cluster


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make soak", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--rate", type=int, default=1_000, help="trades a second")
    parser.add_argument("--seed", type=int, default=None, help="of the order of faults; a new one each time")
    parser.add_argument("--cluster", action="store_true", help="run the stream on a Spark cluster of this machine")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    say(f"seed {seed}")
    with (
        tempfile.TemporaryDirectory(prefix="market-pipeline-soak-") as folder,
        running(Path(folder), options.rate, options.cluster) as (pipeline, cluster),
    ):
        found = soak(pipeline, cluster, options.minutes, seed)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0 if found["clean"] else 1


if __name__ == "__main__":
    sys.exit(main())
