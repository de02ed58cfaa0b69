"""One run of the whole bench: real Kafka, Cassandra and Spark, arrangements interleaved, medians over the rounds."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path

from cassandra.cluster import Session
from confluent_kafka import Producer

from market_pipeline.broker.client import client_config
from market_pipeline.broker.commits import commit_group_offsets
from market_pipeline.broker.offsets import end_offsets, partition_lags
from market_pipeline.broker.topics import ensure_topics, wait_for_kafka
from market_pipeline.local.jars import classpath
from market_pipeline.local.java import java_home
from market_pipeline.local.ports import all_of, is_free
from market_pipeline.model import Trade, encode, trade_id
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect, wait_for_cql
from market_pipeline.store.migrate import migrate
from market_pipeline.stream import class_archive
from market_pipeline.supervision.heartbeat import read_heartbeat
from market_pipeline_tests.bench.baseline import GROUP, create_tables
from market_pipeline_tests.bench.prober import latencies_ms
from market_pipeline_tests.bench.programs import Program, program, weighed
from market_pipeline_tests.bench.reconciling import Reconciled, measure
from market_pipeline_tests.bench.report import Latency, catch_up_table, cost_table, latency_table

STREAMS = {"real-time": "real-time", "micro-batch": "micro-batch"}
BASELINES = {"Python, a row at a time": "rows", "Python, batched by partition": "batches"}
REFERENCE = "real-time"
RATES = (1, 138, 1000)
"""Trades a second: a quiet night, a busy symbol of the sample's day, a busy market."""

WARM_UP_RATE, WARM_UP_S = 138, 120
"""What a JVM gets before it is measured: it compiles what it runs often, and competes with that for the cores."""

LEAD_IN_S = 3
SETTLE_S = 600.0
CATCH_UP_S = 30.0
"""After so long a slow one is not waited for: its rate is known."""


def say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def wait_until(condition: object, what: str, *, within_s: float, programs: tuple[Program, ...] = ()) -> None:
    deadline = time.monotonic() + within_s
    while not condition():  # type: ignore[operator]
        for one in programs:
            one.alive()
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {within_s:.0f} s for {what}")
        time.sleep(0.1)


class Bench:
    """What is measured, on one set of servers."""

    def __init__(self, settings: Settings, session: Session, rounds: int, seconds: float, rows: int) -> None:
        self.settings, self.session = settings, session
        self.rounds, self.seconds, self.rows = rounds, seconds, rows
        self.latencies = {(name, rate): Latency(name, rate) for rate in RATES for name in (*STREAMS, *BASELINES)}
        self.catch_up: dict[str, list[float]] = {name: [] for name in (*STREAMS, *BASELINES)}
        self.costs: dict[str, dict[str, tuple[float, float]]] = {}
        self.servers: list[Program] = []
        self.reconciled: Reconciled | None = None

    def run(self) -> None:
        for number in range(1, self.rounds + 1) if self.seconds else ():
            for name in (*STREAMS, *BASELINES):
                with ExitStack() as stack:
                    writer = stack.enter_context(self._writer(name))
                    if name in STREAMS:
                        say(f"round {number} of {self.rounds}: {name} warms up for {WARM_UP_S} s")
                        with self._fed(WARM_UP_RATE, WARM_UP_RATE * WARM_UP_S, writer):
                            pass
                    for rate in RATES:
                        say(f"round {number} of {self.rounds}: {name}, {rate} trades/s for {self.seconds:.0f} s")
                        self._latency(name, rate, writer)
        for number in range(1, self.rounds + 1):
            for name in (*STREAMS, *BASELINES):
                say(f"round {number} of {self.rounds}: {name} catches up on {self.rows:,} rows")
                self.catch_up[name].append(self._catch_up(name))
        say("idle")
        with self._writer("real-time") as writer, weighed([*self.servers, writer]) as self.costs["idle"]:
            time.sleep(self.seconds)

    def reconcile(self, trades: int, folder: Path) -> None:
        say(f"reconcile of {trades:,} trades")
        self.reconciled = measure(self.settings, self.session, trades, folder)
        say(str(self.reconciled))

    def tables(self) -> list[str]:
        return [
            *([str(self.reconciled)] if self.reconciled else []),
            latency_table(list(self.latencies.values()), REFERENCE),
            catch_up_table(self.catch_up, self.rows, REFERENCE),
            cost_table(self.costs),
        ]

    def figures(self) -> dict[str, object]:
        return {
            "latency_ms": [vars(latency) for latency in self.latencies.values()],
            "catch_up_rows_s": self.catch_up,
            "cost": self.costs,
            "reconcile": vars(self.reconciled) if self.reconciled else None,
        }

    @contextmanager
    def _writer(self, name: str) -> Iterator[Program]:
        """The stream or a baseline, running and with nothing left to do."""
        if name in STREAMS:
            with program("stream", self.settings, MARKET_PIPELINE_STREAM_MODE=STREAMS[name]) as running:
                beats = lambda: read_heartbeat(self.settings.paths.heartbeat("stream"))  # noqa: E731
                wait_until(
                    lambda: (b := beats()) and b.pid == running.process.pid and b.detail.get("phase") == "running"
                    and b.detail.get("lag") == 0,
                    f"{name} to run", within_s=SETTLE_S, programs=(running,),
                )  # fmt: skip
                yield running
        else:
            create_tables(self.session, self.settings)
            commit_group_offsets(
                self.settings, GROUP, self.settings.topic, end_offsets(self.settings, self.settings.topic)
            )
            with program(BASELINES[name], self.settings, BASELINES[name]) as running:
                time.sleep(5)
                running.alive()
                yield running

    @contextmanager
    def _fed(self, rate: int, trades: int, writer: Program) -> Iterator[list[Program]]:
        """Trades come at ``rate`` a second, and ``trades`` of them have come."""
        with (
            program("feed-server", self.settings, MARKET_PIPELINE_RATE=str(rate)) as feed,
            program("producer", self.settings) as producer,
        ):
            before = sum(end_offsets(self.settings, self.settings.topic).values())
            wait_until(
                lambda: sum(end_offsets(self.settings, self.settings.topic).values()) >= before + trades,
                "the first trades", within_s=2 * trades / rate + 60, programs=(feed, producer, writer),
            )  # fmt: skip
            yield [feed, producer]

    def _latency(self, name: str, rate: int, writer: Program) -> None:
        with self._fed(rate, rate * LEAD_IN_S, writer) as feeding:
            table = f"{self.settings.keyspace if name in STREAMS else 'bench'}.trades_silver"
            with weighed([*self.servers, *feeding, writer]) as weights:
                self.latencies[name, rate].rounds.append(latencies_ms(self.settings, self.session, table, self.seconds))
            if name == "real-time":
                self.costs[f"{rate} trades/s"] = weights

    def _catch_up(self, name: str) -> float:
        """Rows a second from the first that become queryable after a start far behind, so without the start itself."""
        if name in BASELINES:
            create_tables(self.session, self.settings)
            ends = end_offsets(self.settings, self.settings.topic)
            commit_group_offsets(self.settings, GROUP, self.settings.topic, ends)
        fill(self.settings, self.rows)
        group = self.settings.consumer_group if name in STREAMS else GROUP
        lag = lambda: sum(  # noqa: E731
            p.end - (p.committed or 0) for p in partition_lags(self.settings, group, self.settings.topic)
        )
        whole = lag()
        started = BASELINES.get(name, "stream")
        arguments = () if name in STREAMS else (started,)
        variables = {"MARKET_PIPELINE_STREAM_MODE": STREAMS[name]} if name in STREAMS else {}
        with program(started, self.settings, *arguments, **variables) as running:
            wait_until(lambda: lag() < whole, "the first rows", within_s=SETTLE_S, programs=(running,))
            began, first = time.monotonic(), lag()
            while (left := lag()) > 0 and time.monotonic() - began < CATCH_UP_S:
                running.alive()
                time.sleep(0.1)
            rate = (first - left) / (time.monotonic() - began)
        say(f"{rate:,.0f} rows/s")
        return rate


def fill(settings: Settings, rows: int) -> None:
    """Put so many trades of 20 symbols on the topic, a millisecond apart."""
    producer = Producer(client_config(settings) | {"partitioner": "murmur2_random", "linger.ms": 20,
                                                   "queue.buffering.max.messages": 1_000_000})  # fmt: skip
    now = time.time_ns() // 1000
    for index in range(rows):
        symbol = f"BENCH:{index % 20}"
        trade = Trade(symbol, Decimal(100 + index % 97), Decimal("0.5"), now // 1000 - rows // 20 + index // 20,
                      trade_id(now + index, 0), 0, "bench", now + index)  # fmt: skip
        while True:
            try:
                producer.produce(settings.topic, key=symbol, value=encode(trade))
                break
            except BufferError:
                producer.poll(0.1)
        if index % 10_000 == 0:
            producer.poll(0)
    if producer.flush(120):
        raise SystemExit("Kafka did not take the rows")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=40, help="of each measurement")
    parser.add_argument("--rows", type=int, default=1_000_000, help="to catch up on")
    parser.add_argument("--reconcile", type=int, default=500_000, help="trades to reconcile; 0 leaves it out")
    parser.add_argument("--json", type=Path, help="write all figures there")
    options = parser.parse_args()
    base = next(b for b in range(10_000, 30_000, 100) if all(is_free(port) for port in all_of(b)))
    with tempfile.TemporaryDirectory(prefix="market-pipeline-bench-") as folder, ExitStack() as stack:
        settings = Settings.load(data_dir=folder, port_base=base, feed="simulator")
        for name in ("kafka", "cassandra", "spark"):
            classpath(name)
        say("making the archive of Spark's classes, where there is none: else a stream does it while it is measured")
        class_archive.make(java_home(settings), classpath("spark"))
        say("starting Kafka and Cassandra")
        servers = [stack.enter_context(program(name, settings)) for name in ("kafka", "cassandra")]
        wait_for_kafka(settings, 120)
        wait_for_cql(settings, 120)
        ensure_topics(settings)
        migrate(settings)
        session = stack.enter_context(connect(settings, timeout_s=60))
        bench = Bench(settings, session, options.rounds, options.seconds, options.rows)
        bench.servers = servers
        try:
            if options.reconcile:
                bench.reconcile(options.reconcile, Path(folder) / "reconcile")
            bench.run()
        finally:
            # what was measured before something broke is told all the same
            sys.stdout.write("\n\n".join(bench.tables()) + "\n")
            if options.json:
                options.json.write_text(json.dumps(bench.figures()))


if __name__ == "__main__":
    main()
