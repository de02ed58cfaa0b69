"""One Kafka and one Cassandra, on which everything is measured in turn."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cassandra.cluster import Session

from market_pipeline.broker.offsets import end_offsets
from market_pipeline.broker.topics import ensure_topics, wait_for_kafka
from market_pipeline.local.class_archive import NAMES, class_archive
from market_pipeline.local.jars import classpath
from market_pipeline.local.java import java_home
from market_pipeline.local.ports import all_of, is_free
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect, wait_for_cql
from market_pipeline.store.migrate import migrate
from market_pipeline_tests.bench.programs import Program, program

SERVER_WITHIN_S = 120
POLL_S = 0.1


def say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def wait_until(
    condition: Callable[[], bool],
    what: str,
    *,
    within_s: float,
    programs: Sequence[Program] = (),
    poll_s: float = POLL_S,
) -> None:
    """Wait for a condition; give up after a while, and when one of the programs has ended."""
    deadline = time.monotonic() + within_s
    while not condition():
        for one in programs:
            one.check()
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {within_s:.0f} s for {what}")
        time.sleep(poll_s)


@dataclass(frozen=True)
class Servers:
    """What every arm runs on.

    Attributes:
        settings: of the pipeline under measurement.
        session: to its Cassandra, its keyspace migrated.
        programs: Kafka and Cassandra.
        folder: for whatever else a measurement writes.
    """

    settings: Settings
    session: Session
    programs: tuple[Program, ...]
    folder: Path

    def records(self) -> int:
        """How many records the topic has had."""
        return sum(end_offsets(self.settings, self.settings.topic).values())


@contextmanager
def running_servers(folder: Path) -> Iterator[Servers]:
    """Kafka and Cassandra on free ports, with topics and tables, for as long as the block lasts."""
    settings = Settings.load(data_dir=folder / "data", port_base=free_base(), feed="simulator")
    settings.paths.logs.mkdir(parents=True)
    for name in ("kafka", "cassandra", "spark", "ecj"):
        classpath(name)
    say("making the archives of classes, where there are none: else a stream does it while it is measured")
    for name in NAMES:
        class_archive(name, java_home(settings)).make()
    say("starting Kafka and Cassandra")
    with ExitStack() as stack:
        launch = [sys.executable, "-m", "market_pipeline.local.launch"]
        programs = [stack.enter_context(program(name, settings, [*launch, name])) for name in ("kafka", "cassandra")]
        wait_for_kafka(settings, SERVER_WITHIN_S)
        wait_for_cql(settings, SERVER_WITHIN_S)
        ensure_topics(settings)
        migrate(settings)
        session = stack.enter_context(connect(settings, timeout_s=60))
        yield Servers(settings, session, tuple(programs), folder)


def free_base() -> int:
    """The base of a range of ports that are all free."""
    return next(base for base in range(10_000, 30_000, 100) if all(is_free(port) for port in all_of(base)))


@contextmanager
def fed(
    servers: Servers, rate: float, trades: int, beside: Sequence[Program] = ()
) -> Iterator[tuple[Program, Program]]:
    """The simulator and the producer, at ``rate`` trades a second, once ``trades`` of them have come."""
    settings = servers.settings
    feed_command = [sys.executable, "-m", "market_pipeline.feed.server"]
    with (
        program("feed-server", settings, feed_command, MARKET_PIPELINE_RATE=str(rate)) as feed,
        program("producer", settings, [sys.executable, "-m", "market_pipeline.feed.producer"]) as producer,
    ):
        wanted = servers.records() + trades
        wait_until(
            lambda: servers.records() >= wanted, f"{trades:,} trades", within_s=3 * trades / rate + 60,
            programs=(feed, producer, *beside),
        )  # fmt: skip
        yield feed, producer
