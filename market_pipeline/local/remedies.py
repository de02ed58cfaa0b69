"""What mends a part of the pipeline on this machine: new processes, in an order in which each finds what it needs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from market_pipeline.broker.client import BrokerUnreachableError
from market_pipeline.broker.topics import wait_for_kafka
from market_pipeline.local.overrides import accepted, override
from market_pipeline.local.preflight import StartError
from market_pipeline.local.processes import asleep
from market_pipeline.local.restart import Restarted, restart
from market_pipeline.local.supervisor_client import SupervisorClient
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import StoreUnreachableError, wait_for_cql

ANSWERS_WITHIN_S = 120.0
PATIENCE_S = 30.0

RESTARTS: Mapping[str, tuple[str, ...]] = {
    "restart_producer": ("producer",),
    "restart_stream": ("stream",),
    "restart_kafka": ("kafka", "producer", "stream"),
}
"""Each remedy, and the programs that it restarts, in this order: Kafka, then what depends on it."""

_ANSWERS: Mapping[str, Callable[[Settings, float], None]] = {"kafka": wait_for_kafka, "cassandra": wait_for_cql}


@dataclass(frozen=True)
class Mended:
    """One program, and its processes before and after."""

    program: str
    restarted: Restarted

    def __str__(self) -> str:
        return f"{self.program}: {self.restarted}"


def mend(settings: Settings, remedy: str, values: Mapping[str, object] | None = None) -> Iterator[Mended]:
    """Restart the programs of a remedy, one after the other; a server has to answer before the next one's turn.

    Args:
        settings: of the pipeline.
        remedy: one of ``RESTARTS``.
        values: settings for the new processes of its programs, until the next ``up``.

    Raises:
        SupervisorAway: the supervisor does not answer.
        StartError: a new process ends, or is not ready in time.
        BrokerUnreachableError, StoreUnreachableError: a server is there and does not answer.
    """
    for program in RESTARTS[remedy]:
        yield mend_one(settings, program, values)


def only_slow(settings: Settings, program: str) -> bool:
    """Whether a server answers after all when it is given time: a busy machine is no reason for a restart."""
    pid = SupervisorClient(settings).processes()[program].pid
    if program not in _ANSWERS or (pid is not None and asleep(pid)):
        return False
    try:
        _ANSWERS[program](settings, PATIENCE_S)
    except (BrokerUnreachableError, StoreUnreachableError):
        return False
    return True


def mend_one(settings: Settings, program: str, values: Mapping[str, object] | None = None) -> Mended:
    """Restart one program, and see that it answers.

    Raises:
        StartError: there is no such program, or a value is wrong; and what ``mend`` raises.
    """
    if values:
        accepted(settings, program, values)
    known = SupervisorClient(settings).processes()
    if program not in known:
        raise StartError(f"there is no program {program!r}; there are {', '.join(known)}")
    if values:
        override(settings, program, values)
    restarted = restart(settings, program)
    if program in _ANSWERS:
        _ANSWERS[program](settings, ANSWERS_WITHIN_S)
    return Mended(program, restarted)
