"""Settings of one service that were changed while the pipeline runs: a small JSON file, read by that service's next
process, and removed by the next ``up``.

It is data that the settings validate at each load, never text of a configuration or a command.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SUFFIX = ".overrides.json"

ADJUSTABLE: Mapping[str, frozenset[str]] = {
    "producer": frozenset({"symbols"}),
    "stream": frozenset({"spark_driver_memory_mb", "kafka_partitions"}),
    "cassandra": frozenset({"cassandra_heap_mb"}),
}
"""Each service that takes other settings while the pipeline runs, and the names of those settings."""


def read_overrides(path: Path, service: str) -> dict[str, Any]:
    """The overrides of a service, by the settings' names; empty when there are none.

    Raises:
        ValueError: the file has something else in it.
        OSError: it can't be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    values = json.loads(text)
    if not isinstance(values, dict) or not values.keys() <= ADJUSTABLE.get(service, frozenset()):
        raise ValueError("not the settings that this service takes")
    return values


def write_overrides(path: Path, values: Mapping[str, Any]) -> None:
    """Replace the overrides of a service, atomically; only this user may read them."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(values, file)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def forget_overrides(run: Path) -> None:
    """Remove the overrides of every service.

    Args:
        run: the folder that they are in.
    """
    for file in run.glob(f"*{SUFFIX}*"):
        file.unlink(missing_ok=True)
