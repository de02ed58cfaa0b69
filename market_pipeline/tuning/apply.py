"""Gives the running servers another value of a parameter, and asks them for it afterwards."""

import time
from collections.abc import Callable, Iterator, Mapping

import psutil

from market_pipeline.broker.offsets import first_since, group_offsets
from market_pipeline.broker.topics import add_partitions, configure_topic
from market_pipeline.bronze.archive import archive_new
from market_pipeline.local.overrides import override
from market_pipeline.local.preflight import StartError
from market_pipeline.local.processes import process_statuses, supervisor_states
from market_pipeline.local.remedies import Mended, mend_one
from market_pipeline.local.restart import restart
from market_pipeline.mendable import Mendable
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.supervision.heartbeat import read_heartbeat
from market_pipeline.tuning.plan import (
    CASSANDRA_MEMORY,
    GC_GRACE,
    PARTITIONS,
    RESTARTS,
    RETENTION,
    STREAM_MEMORY,
    Change,
    Here,
)
from market_pipeline.tuning.profiles import PARAMETERS
from market_pipeline.tuning.readback import HOUR_MS, NotReadable, read_back, tables

MB = 1024**2
WORKS_WITHIN_S = 180.0
READ_WITHIN_S = 30.0
POLL_S = 0.2


class NotTaken(Mendable):
    """A server has another value than it was given; one line with the cure."""


def here(settings: Settings) -> Here:
    """What this machine has, and which programs the supervisor keeps; none where it does not answer."""
    _, states = supervisor_states(settings)
    statuses = process_statuses(settings, states, {}, time.time()) if states is not None else {}
    held = {name: round((status.rss_mb or 0) * 1e6 / MB) for name, status in statuses.items()}
    return Here(psutil.virtual_memory().available // MB, held)


def do(settings: Settings, change: Change) -> Iterator[str]:
    """Make one change, and tell of each program that was restarted for it.

    Raises:
        BrokerUnreachableError, TopicError, SupervisorAway, StartError, any of ``STORE_ERRORS``: it is not made; of what
            has to be restarted, nothing is left stopped.
    """
    if change.kind == "live":
        _LIVE[change.name](settings, change.after)
        return
    yield from map(str, _RESTARTING[change.name](settings, change.after))
    if "stream" in RESTARTS.get(change.name, ()):
        wait_for_stream(settings)


def taken(settings: Settings, change: Change) -> int:
    """The value after a change, as the servers have it; a new process needs a moment to have one.

    Raises:
        NotTaken: it is another than it should be.
        and what ``read_back`` says.
    """
    ask, deadline = read_back(settings)[change.name], time.monotonic() + READ_WITHIN_S
    while True:
        try:
            value = ask()
            if value == change.after:
                return value
            failure: Exception = NotTaken(
                f"{change.name} is {value:,} and should be {change.after:,}: `market-pipeline logs {_OF[change.name]}` "
                "has why, then try again"
            )
        except NotReadable as error:
            failure = error
        if time.monotonic() > deadline:
            raise failure
        time.sleep(POLL_S)


def wait_for_stream(settings: Settings, within_s: float = WORKS_WITHIN_S) -> None:
    """Return when the stream says that it works: it looks at its topic and its slots before that.

    Raises:
        StartError: it does not in time.
    """
    deadline = time.monotonic() + within_s
    while True:
        beat = read_heartbeat(settings.paths.heartbeat("stream"))
        if beat is not None and not beat.is_stale(time.time()) and beat.detail.get("phase") == "running":
            return
        if time.monotonic() > deadline:
            raise StartError(
                f"the stream does not work within {within_s:.0f} s of its restart: see `market-pipeline logs stream`"
            )
        time.sleep(POLL_S)


def set_retention(settings: Settings, hours: int) -> None:
    """How long Kafka keeps trades: the option that ``init`` sets, on the topic itself.

    What is older than that is archived first.

    Raises:
        BrokerUnreachableError, TopicError: Kafka does not answer, or refuses.
        ArchiveError: what would be deleted can't be archived.
        NotTaken: the stream has not read what would be deleted.
    """
    archive_new(settings)
    oldest = first_since(settings, settings.topic, int(time.time() * 1000) - hours * HOUR_MS)
    read = group_offsets(settings, settings.consumer_group, settings.topic)
    if behind := [p for p, offset in oldest.items() if (read.get(p) or 0) < offset]:
        raise NotTaken(
            f"the stream has not read all of partition {behind[0]} that {hours} h would delete: when "
            "`market-pipeline status` shows lag 0, try again"
        )
    configure_topic(settings, settings.topic, {"retention.ms": str(hours * HOUR_MS)})


def set_gc_grace(settings: Settings, seconds: int) -> None:
    """How long each of the pipeline's tables keeps its tombstones.

    Raises:
        any of ``STORE_ERRORS``: Cassandra does not answer, or refuses.
    """
    with connect(settings, timeout_s=60) as session:
        for table in tables(session, settings):
            session.execute(f"ALTER TABLE {settings.keyspace}.{table} WITH gc_grace_seconds = {seconds}")


def _partitions(settings: Settings, total: int) -> Iterator[Mended]:
    """With the stream stopped: one that runs meets the new partitions with the slots of the old ones, and its queries
    then take turns. The producer comes last, for its symbols move when it sees them."""
    override(settings, "stream", {"kafka_partitions": total})  # first: slots without partitions do no harm

    def add() -> None:
        add_partitions(settings, settings.topic, total)

    yield Mended("stream", restart(settings, "stream", meanwhile=add))
    yield mend_one(settings, "producer")


def _stream_memory(settings: Settings, mb: int) -> Iterator[Mended]:
    yield mend_one(settings, "stream", {"spark_driver_memory_mb": mb})


def _cassandra_memory(settings: Settings, mb: int) -> Iterator[Mended]:
    yield mend_one(settings, "cassandra", {"cassandra_heap_mb": mb})


_LIVE: Mapping[str, Callable[[Settings, int], None]] = {RETENTION: set_retention, GC_GRACE: set_gc_grace}

_RESTARTING: Mapping[str, Callable[[Settings, int], Iterator[Mended]]] = {
    PARTITIONS: _partitions,
    STREAM_MEMORY: _stream_memory,
    CASSANDRA_MEMORY: _cassandra_memory,
}

_OF = {each.name: "stream" if each.of == "spark" else each.of for each in PARAMETERS}
"""The service that has a parameter, as ``logs`` calls it."""
