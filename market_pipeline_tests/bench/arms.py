"""The ways from Kafka into Cassandra that are compared: the stream in both modes, and what one would write instead."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from market_pipeline.broker.commits import commit_group_offsets
from market_pipeline.broker.offsets import end_offsets
from market_pipeline_tests.bench.prober import Prober
from market_pipeline_tests.bench.programs import Program, program
from market_pipeline_tests.bench.servers import Servers, wait_until
from market_pipeline_tests.bench.trades import made, produce

OTHER_PYTHON = Path(__file__).resolve().parents[2] / "build" / "bench" / "venv" / "bin" / "python"
"""The interpreter with what can't be installed beside the pipeline; ``make bench`` makes it."""

ALTERNATIVES = "market_pipeline_tests.bench.alternatives"
KEYSPACE = "bench"
READY_WITHIN_S = 600.0
READY = "BENCH:READY"


@dataclass(frozen=True)
class Arm:
    """One way.

    Attributes:
        name: of its row in every table.
        command: of an alternative; ``{…}`` are filled in from what it runs on. Empty for the stream.
        variables: of its environment.
        bars: whether it makes bars of minutes.
        group: of Kafka's, where it keeps its offsets there.
    """

    name: str
    command: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    bars: bool = False
    group: str | None = None

    @property
    def is_stream(self) -> bool:
        return not self.command

    def keyspace(self, servers: Servers) -> str:
        return servers.settings.keyspace if self.is_stream else KEYSPACE


def _python(module: str, *arguments: str, interpreter: str = sys.executable) -> tuple[str, ...]:
    return (interpreter, "-m", f"{ALTERNATIVES}.{module}", *arguments)


REAL_TIME = Arm("real-time", variables={"MARKET_PIPELINE_STREAM_MODE": "real-time"}, bars=True)
MICRO_BATCH = Arm("micro-batch", variables={"MARKET_PIPELINE_STREAM_MODE": "micro-batch"}, bars=True)
QUIX = str(Path(__file__).parent / "alternatives" / "quix.py")
ARMS = (
    REAL_TIME,
    MICRO_BATCH,
    Arm("Spark's connector, real-time", _python("connector", "real-time", KEYSPACE, "{checkpoints}")),
    Arm("Spark's connector, micro-batch", _python("connector", "micro-batch", KEYSPACE, "{checkpoints}")),
    Arm("Quix Streams", (str(OTHER_PYTHON), QUIX, "{bootstrap}", "{cql_port}", KEYSPACE, "{topic}", "bench-quix"),
        group="bench-quix"),
    Arm("Python, a row at a time", _python("python_loop", "rows", KEYSPACE, "bench-loop"), group="bench-loop"),
    Arm("Python, batched by partition", _python("python_loop", "batches", KEYSPACE, "bench-loop"), group="bench-loop"),
)  # fmt: skip


def prepare(arm: Arm, servers: Servers) -> None:
    """Empty tables for an alternative, which then begins at what comes from now on."""
    if arm.is_stream:
        return
    session, settings = servers.session, servers.settings
    session.execute(f"DROP KEYSPACE IF EXISTS {KEYSPACE}")
    session.execute(
        f"CREATE KEYSPACE {KEYSPACE} WITH replication = "
        f"{{'class': 'NetworkTopologyStrategy', '{settings.cassandra_local_dc}': 1}}"
    )
    session.cluster.refresh_schema_metadata()
    for table in ("trades_silver", "latest_prices"):
        text = session.cluster.metadata.keyspaces[settings.keyspace].tables[table].as_cql_query()
        session.execute(text.replace(f"{settings.keyspace}.{table}", f"{KEYSPACE}.{table}"))
    if arm.group is not None:
        commit_group_offsets(settings, arm.group, settings.topic, end_offsets(settings, settings.topic))


@contextmanager
def running(arm: Arm, servers: Servers) -> Iterator[Program]:
    """The arm's program from its start on, whatever it has to catch up on."""
    settings = servers.settings
    if arm.is_stream:
        command: tuple[str, ...] = (sys.executable, "-m", "market_pipeline.stream.application")
    else:
        known = {
            "bootstrap": settings.bootstrap_servers,
            "cql_port": str(settings.cql_port),
            "topic": settings.topic,
            "checkpoints": str(servers.folder / "connector-checkpoints"),
        }
        command = tuple(part.format(**known) for part in arm.command)
    with program("stream" if arm.is_stream else arm.name, settings, command, **arm.variables) as started:
        yield started


@contextmanager
def ready(arm: Arm, servers: Servers) -> Iterator[Program]:
    """The arm's program once it writes what comes now."""
    prepare(arm, servers)
    with running(arm, servers) as started:
        prober = Prober(servers.session, arm.keyspace(servers))
        trade = made(READY, time.time_ns() // 1000)
        produce(servers.settings, [trade])
        wait_until(
            lambda: prober.is_queryable(trade), f"{arm.name} to write", within_s=READY_WITHIN_S, programs=(started,),
            poll_s=0.2,
        )  # fmt: skip
        yield started
