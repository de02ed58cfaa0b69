"""What the running servers have of the table's parameters, asked of themselves and not of our settings."""

import contextlib
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import psutil
from cassandra.cluster import Session

from market_pipeline.broker.offsets import end_offsets
from market_pipeline.broker.topics import topic_configuration
from market_pipeline.local.processes import holds
from market_pipeline.mendable import Mendable
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.supervision.lock import holder

HOUR_MS = 3_600_000
MIGRATIONS = "schema_migrations"
"""Written once: it has no tombstones."""
_UNITS_MB = {"k": 1 / 1024, "m": 1, "g": 1024}


class NotReadable(Mendable):
    """The value can't be read from here; one line with the reason."""


def read_back(settings: Settings) -> dict[str, Callable[[], int]]:
    """How each parameter is read, by its name.

    Where it can't be, it raises ``NotReadable``, ``BrokerUnreachableError``, ``TopicError`` or one of ``STORE_ERRORS``.
    """
    shuffle = "spark.sql.shuffle.partitions"
    return {
        "num.partitions": lambda: len(end_offsets(settings, settings.topic)),
        "log.retention.hours": lambda: int(topic_configuration(settings, settings.topic)["retention.ms"]) // HOUR_MS,
        "spark.executor.memory": lambda: heap_mb(stream_command(settings)),
        shuffle: lambda: int(configured(stream_command(settings), shuffle)),
        "MAX_HEAP_SIZE": lambda: heap_mb(command_of(settings, "cassandra")),
        "gc_grace_seconds": lambda: gc_grace_s(settings),
    }


def heap_mb(command: Iterable[str]) -> int:
    """The largest heap that a JVM's command line allows, MB.

    Raises:
        NotReadable: it tells none.
    """
    for argument in command:
        found = re.fullmatch(r"-Xmx(\d+)([kmgKMG])", argument)
        if found:
            return round(int(found[1]) * _UNITS_MB[found[2].lower()])
    raise NotReadable("its command line tells no -Xmx")


def configured(command: Sequence[str], name: str) -> str:
    """The value of a property of Spark, in the file that its command line names.

    Raises:
        NotReadable: there is none of that name.
    """
    for option, file in itertools.pairwise(command):
        if option == "--properties-file":
            for line in _lines(Path(file)):
                key, _, value = line.partition("=")
                if key == name:
                    return value
    raise NotReadable(f"its configuration tells no {name}")


def stream_command(settings: Settings) -> list[str]:
    """The command line of the running stream's JVM.

    Raises:
        NotReadable: it does not run here.
    """
    for command in _commands(settings, "stream", lambda process: process.children()):
        if command and command[0].endswith("java"):
            return command
    raise NotReadable("stream has no JVM yet")


def command_of(settings: Settings, program: str) -> list[str]:
    """The command line of a running server's JVM, what its ``@`` files hold included.

    Raises:
        NotReadable: it does not run here.
    """
    command = next(iter(_commands(settings, program, lambda process: [process])), None)
    if command is None:
        raise NotReadable(f"{program} does not run here")
    return [part for each in command for part in (_file(each) if each.startswith("@") else [each])]


def gc_grace_s(settings: Settings) -> int:
    """The longest of the pipeline's tables of trades and bars.

    Raises:
        NotReadable: there are no tables.
        any of ``STORE_ERRORS``: Cassandra fails.
    """
    with connect(settings) as session:
        found = tables(session, settings).values()
    if not found:
        raise NotReadable(f"keyspace {settings.keyspace} has no tables")
    return max(found)


def tables(session: Session, settings: Settings) -> dict[str, int]:
    """The ``gc_grace_seconds`` of each of the pipeline's tables of trades and bars.

    Raises:
        any of ``STORE_ERRORS``: Cassandra fails.
    """
    query = "SELECT table_name, gc_grace_seconds FROM system_schema.tables WHERE keyspace_name = %s"
    rows = session.execute(query, (settings.keyspace,))
    return {row.table_name: int(row.gc_grace_seconds) for row in rows if row.table_name != MIGRATIONS}


def differing(values: Mapping[str, int], have: Mapping[str, int | str]) -> list[str]:
    """The names of which the servers have another value than the profile; what can't be read is none. Pure."""
    return [name for name, wanted in values.items() if isinstance(have.get(name), int) and have[name] != wanted]


def _commands(
    settings: Settings, program: str, of: Callable[[psutil.Process], list[psutil.Process]]
) -> list[list[str]]:
    """The command lines of the live processes that a program is, or has: one that has ended hides none of them."""
    lock = settings.paths.lock(program)
    pid = holder(lock)
    if not pid or not holds(pid, lock):
        raise NotReadable(f"{program} does not run here")
    try:
        found = of(psutil.Process(pid))
    except psutil.Error:
        found = []
    commands = []
    for process in found:
        with contextlib.suppress(psutil.Error):  # it has ended since, or is a zombie
            commands.append(process.cmdline())
    return commands


def _file(argument: str) -> list[str]:
    return [part.strip('"') for line in _lines(Path(argument[1:])) for part in line.split()]


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
