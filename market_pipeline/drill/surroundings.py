"""What surrounds the pipeline of a drill: free ports, variables that name no other pipeline, and a small disk."""

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from market_pipeline.local.ports import all_of, is_free
from market_pipeline.mendable import Mendable

FIRST_BASE, LAST_BASE = 20_000, 32_600
"""Below the ports that systems give to connections: one of those, on the port of a server that was killed, keeps the
server's next process out."""
OTHERS = ("MARKET_PIPELINE_", "FINNHUB_", "KAFKA_", "CASSANDRA_", "SPARK_", "SLACK_", "DAGSTER_")
"""How the variables begin that name another pipeline, its servers, its key or its Slack."""
KEPT = ("MARKET_PIPELINE_JAVA_HOME",)
LEAST_DISK_MB = 64
MB_A_TRADE_A_SECOND = 0.5
"""A frame has some 150 bytes a trade, and a whole drill takes less than an hour."""


FILL_EVERY_S, FILL_BYTES = 0.1, 1 << 16


class DrillError(Mendable):
    """The drill can't be held; one line with the cure."""


def free_base() -> int:
    """The first port base all of whose ports are free.

    Raises:
        DrillError: there is none.
    """
    for base in range(FIRST_BASE, LAST_BASE, 100):
        if all(is_free(port) for port in all_of(base)):
            return base
    raise DrillError(f"no 100 free ports from {FIRST_BASE} to {LAST_BASE}: stop what holds them")


def without_others(own: Mapping[str, str]) -> dict[str, str]:
    """Our variables without what names another pipeline."""
    return {name: value for name, value in own.items() if name in KEPT or not name.startswith(OTHERS)}


@contextlib.contextmanager
def only(variables: Mapping[str, str]) -> Iterator[None]:
    """No other variables than these, for this process."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def mount_small_disk(where: Path, rate: float) -> bool:
    """Put a small disk there, for trades of so many a second; False where the system does not let us."""
    where.mkdir(parents=True, exist_ok=True)
    options = f"size={LEAST_DISK_MB + int(rate * MB_A_TRADE_A_SECOND)}m"
    command = ["mount", "-t", "tmpfs", "-o", options, "market-pipeline-drill", str(where)]
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


class Filler:
    """Leaves no byte on a disk, and none of those that somebody makes room for, until it is told to stop."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "filler"
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="filler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End, and give it all back."""
        self._stopped.set()
        self._thread.join()
        self._file.unlink(missing_ok=True)

    def _run(self) -> None:
        while not self._stopped.wait(FILL_EVERY_S):
            with contextlib.suppress(OSError), self._file.open("ab", buffering=0) as file:
                while file.write(bytes(FILL_BYTES)) == FILL_BYTES:
                    pass


def unmount(where: Path) -> None:
    """Take it away again, whoever still uses it."""
    subprocess.run(["umount", "-l", str(where)], check=False, capture_output=True)
