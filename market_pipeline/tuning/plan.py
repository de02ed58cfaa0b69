"""What it takes to give the servers a profile's values: how each that differs is changed, or why not here. Pure.

What can be changed while everything runs comes first, then what restarts a server, then what restarts its clients.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from market_pipeline.settings import Settings, local_master, variable
from market_pipeline.stream.slots import local_slots, needed
from market_pipeline.tuning.profiles import PARAMETERS
from market_pipeline.tuning.readback import differing
from market_pipeline.which import where_flags

Kind = Literal["live", "restart", "refused"]

PARTITIONS, RETENTION, GC_GRACE = "num.partitions", "log.retention.hours", "gc_grace_seconds"
STREAM_MEMORY, CASSANDRA_MEMORY = "spark.executor.memory", "MAX_HEAP_SIZE"
SHUFFLE = "spark.sql.shuffle.partitions"

ORDER = (RETENTION, GC_GRACE, CASSANDRA_MEMORY, PARTITIONS, STREAM_MEMORY, SHUFFLE)

KEPT_BY: Mapping[str, str] = {
    RETENTION: "kafka_retention_hours",
    PARTITIONS: "kafka_partitions",
    STREAM_MEMORY: "spark_driver_memory_mb",
    CASSANDRA_MEMORY: "cassandra_heap_mb",
}
"""Of a parameter that the next ``up`` sets anew: the setting that it takes then."""

RESTARTS: Mapping[str, tuple[str, ...]] = {
    CASSANDRA_MEMORY: ("cassandra",),
    PARTITIONS: ("stream", "producer"),
    STREAM_MEMORY: ("stream",),
}
"""The programs that have a new value only in a new process, in the order of their restarts."""

UNITS = {each.name: each.unit for each in PARAMETERS}


@dataclass(frozen=True)
class Here:
    """What this machine has for it.

    Attributes:
        free_mb: memory that nobody uses.
        held_mb: the memory that each program has, by the name of those that the supervisor keeps.
    """

    free_mb: int
    held_mb: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """One parameter that the servers have differently.

    Attributes:
        name: the parameter's.
        before: what they have.
        after: what the profile has.
        kind: whether it is done while everything runs, by a restart, or not here.
        text: what that means, or why not and what to do instead; one line.
        keep: what a person types so that the next ``up`` does not take it back; '' where nothing does.
    """

    name: str
    before: int
    after: int
    kind: Kind
    text: str
    keep: str = ""

    def __str__(self) -> str:
        how = {"live": "live", "refused": "left alone"}.get(self.kind)
        how = how or f"restarts {' and '.join(RESTARTS[self.name])}"
        return f"{self.name}: {self.before:,} → {self.after:,} {UNITS[self.name]}, {how}"


def plan(
    wanted: Mapping[str, int],
    have: Mapping[str, int | str],
    settings: Settings,
    here: Here,
    named: Collection[str] = (),
) -> list[Change]:
    """What would be done for each parameter of which the servers have another value, in the order of doing it.

    Args:
        wanted: the profile's values by name.
        have: the servers' own; a text where it could not be read, which is left out.
        settings: of the pipeline.
        here: the machine and its programs.
        named: the parameters that a person asked for by name.
    """
    free_mb, changes = here.free_mb, []
    differ = differing(wanted, have)
    for name in (name for name in ORDER if name in differ):
        before, after = int(have[name]), wanted[name]
        more_mb = _more_mb(name, before, after, here)
        why = _refused(name, before, after, settings, here, named)
        if why is None and more_mb > max(0, free_mb):
            why = (
                f"it may take {more_mb:,} MB more than now, and the machine has {max(0, free_mb):,} MB free: end "
                f"something else, or choose less with {variable(KEPT_BY[name])} and `up`"
            )
        if why is not None:
            changes.append(Change(name, before, after, "refused", why))
            continue
        free_mb -= more_mb
        kind: Kind = "restart" if name in RESTARTS else "live"
        changes.append(Change(name, before, after, kind, _meaning(name, before, after), _keep(name, after, settings)))
    return changes


def of_kinds(changes: Sequence[Change], *kinds: Kind) -> list[Change]:
    return [change for change in changes if change.kind in kinds]


def _more_mb(name: str, before: int, after: int, here: Here) -> int:
    """What a larger heap may take beyond what its program has now, which has perhaps not used up the smaller one."""
    if name not in (STREAM_MEMORY, CASSANDRA_MEMORY) or after <= before:
        return 0
    return after - min(before, here.held_mb.get(RESTARTS[name][0], before))


def _refused(
    name: str, before: int, after: int, settings: Settings, here: Here, named: Collection[str]
) -> str | None:  # fmt: skip
    """Why it can't be done here, and the cure; None where it can."""
    if name == SHUFFLE:
        return (
            "the bars' checkpoint has it for ever, and stream/session.py sets it: another one is a change there, with "
            "the job reset_stream after it"
        )
    if name == PARTITIONS and after < before:
        return (
            f"Kafka takes no partition back: only a pipeline on a new data dir (--data-dir) starts with as few, by "
            f"{variable(KEPT_BY[name])}={after}"
        )
    if name == PARTITIONS and name not in named:
        return (
            "symbols go on in other partitions, where their order with what came before is lost: if that may be, add "
            f"--only {PARTITIONS}"
        )
    if name == PARTITIONS and settings.stream_mode == "real-time" and settings.spark_master is not None:
        slots = local_slots(settings.spark_master)
        if slots is not None and slots < needed(after):
            return (
                f"real-time mode needs {needed(after)} task slots then, and SPARK_MASTER={settings.spark_master} has "
                f"{slots}: set SPARK_MASTER={local_master(after)} in .env, then `down`, `up` and this again"
            )
    away = [program for program in RESTARTS.get(name, ()) if program not in here.held_mb]
    if away:
        return (
            f"it needs a restart of {' and '.join(away)}, which no supervisor keeps here: `market-pipeline "
            f"up{where_flags(settings)}` starts all, or set {variable(KEPT_BY[name])}={after} for what starts it"
        )
    return None


def _meaning(name: str, before: int, after: int) -> str:
    """What the change does besides."""
    if name == RETENTION:
        if after < before:
            return f"Kafka deletes within minutes what is older than {after} h, archived or not: `archive` first"
        return "Kafka keeps trades_raw for longer from now on; what it deleted stays deleted"
    if name == GC_GRACE:
        if after < before:
            return "tombstones go sooner; a node that was away for longer has to be replaced, which one alone never is"
        return "tombstones stay for longer, and are read past; a node may be away for as long"
    if name == PARTITIONS:
        return "the stream gets slots for all; no way back; `reconcile` takes trades of that hour for ones sent again"
    if name == CASSANDRA_MEMORY:
        return "some seconds without it, at which the stream starts anew by itself; Kafka keeps what comes meanwhile"
    return "some 30 s in which nothing new can be queried; the stream goes on from its checkpoints"


def _keep(name: str, after: int, settings: Settings) -> str:
    setting = KEPT_BY.get(name)
    if setting is None or getattr(settings, setting) == after:
        return ""
    assignment = f"{variable(setting)}={after}"
    if name == PARTITIONS:
        return f"put {assignment} into .env now: without it the next `up` has too few task slots for them"
    until = "`up` or `init`" if name == RETENTION else "`up`"
    return f"it holds until the next {until}: {assignment} in .env keeps it"
