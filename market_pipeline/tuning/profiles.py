"""The runbook's table of parameters as profiles.

As its servers come (``default``), as it tunes them (``tuned``), and as measured on two cores (``two-cores``), which is
what the pipeline starts with.
"""

from collections.abc import Mapping
from dataclasses import dataclass

PROFILES = ("default", "tuned", "two-cores")


@dataclass(frozen=True)
class Parameter:
    """One line of the table.

    Attributes:
        name: the server's own.
        of: which server has it.
        unit: of its values.
        values: by profile.
        why: what the runbook says of the tuned value, or why ours differs.
        change: what a person types to change it, with ``{profile}`` and ``{name}`` for theirs, and what that takes.
    """

    name: str
    of: str
    unit: str
    values: Mapping[str, int]
    why: str
    change: str

    def how(self, profile: str) -> str:
        """What a person types to have the value of a profile, and what that takes."""
        return self.change.format(profile=profile, name=self.name)


_APPLY = "`market-pipeline tune apply --profile {profile} --only {name} --really`"


def _parameter(
    name: str, of: str, unit: str, default: int, tuned: int, two_cores: int, *, why: str, change: str
) -> Parameter:
    return Parameter(name, of, unit, dict(zip(PROFILES, (default, tuned, two_cores), strict=True)), why, change)


PARAMETERS = (
    _parameter(
        "num.partitions", "kafka", "partitions of trades_raw", 6, 12, 2,
        why="more parallelism; each partition holds a task slot of the stream, and two cores are busy with two",
        change=f"{_APPLY}; only upwards, and symbols move; restarts",
    ),
    _parameter(
        "log.retention.hours", "kafka", "hours", 168, 72, 72,
        why="less storage; the bronze archive keeps everything",
        change=f"{_APPLY}; live",
    ),
    _parameter(
        "spark.executor.memory", "spark", "MB", 1024, 2048, 768,
        why="more memory; bars' state is in RocksDB, outside of the heap, and 1,000 trades/s were run with ours",
        change=f"{_APPLY}; a restart of the stream",
    ),
    _parameter(
        "spark.sql.shuffle.partitions", "spark", "partitions", 200, 12, 1,
        why="each is a state store and a task a second; the bars of thousands of symbols fit into one",
        change="written into the checkpoint: not without the job reset_stream",
    ),
    _parameter(
        "MAX_HEAP_SIZE", "cassandra", "MB", 1024, 2048, 768,
        why="production sizing; 1,000 trades/s were run with ours",
        change=f"{_APPLY}; a restart of Cassandra",
    ),
    _parameter(
        "gc_grace_seconds", "cassandra", "seconds", 864_000, 86_400, 86_400,
        why="tombstones go sooner; a node that was away for longer than this has to be replaced, not repaired",
        change=f"{_APPLY}; live",
    ),
)  # fmt: skip
