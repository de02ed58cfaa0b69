"""The folder in which Dagster's instance lives: its configuration, and its storage, made once for all its programs.

Each program of Dagster makes the tables that it misses, and two that do so at once leave a storage that neither can
open again. So whoever is first makes them, in a folder beside, while the others wait.
"""

import fcntl
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from market_pipeline.local.jvm import write_if_changed
from market_pipeline.settings import Settings

STORAGE = ("history", "schedules")
"""What Dagster's SQLite storage consists of."""


def prepare(settings: Settings) -> None:
    """Write the configuration that we ship, which is the truth about it, and make the storage where there is none."""
    home = settings.paths.dagster
    home.mkdir(parents=True, exist_ok=True)
    shipped = resources.files("market_pipeline").joinpath("dagster.yaml").read_text(encoding="utf-8")
    write_if_changed(home / "dagster.yaml", shipped)
    if _is_made(home):
        return
    with settings.paths.lock("dagster-home").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_made(home):
            _make(home, shipped)


REFUSED_TAG = "market_pipeline/refused"
"""Of a run that its own rules kept from doing anything: why."""
RUNS_LOOKED_AT = 50


def last_runs(settings: Settings, jobs: Iterable[str], *, failed: bool = False) -> dict[str, datetime]:
    """When each of these jobs last succeeded, or failed; without those that never did, or of which nothing is kept.

    A run that was refused did nothing, and counts as neither.
    """
    home = settings.paths.dagster
    if not _is_made(home):
        return {}
    from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

    found: dict[str, datetime] = {}
    with DagsterInstance.from_config(str(home)) as instance:
        for job in jobs:
            status = DagsterRunStatus.FAILURE if failed else DagsterRunStatus.SUCCESS
            wanted = RunsFilter(job_name=job, statuses=[status])
            for record in instance.get_run_records(wanted, limit=RUNS_LOOKED_AT):
                if REFUSED_TAG not in record.dagster_run.tags:
                    found[job] = datetime.fromtimestamp(record.end_time or record.start_time or 0.0, UTC)
                    break
    return found


def _is_made(home: Path) -> bool:
    return all((home / part).exists() for part in STORAGE)


def _make(home: Path, configuration: str) -> None:
    """A storage is moved to its place when it is whole: Dagster takes one whose making was cut off for finished."""
    from dagster import DagsterInstance  # takes seconds to load, which only the very first start should cost

    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".dagster-") as elsewhere:
        (Path(elsewhere) / "dagster.yaml").write_text(configuration, encoding="utf-8")
        DagsterInstance.from_config(elsewhere).dispose()
        for part in STORAGE:
            if not (home / part).exists():
                (Path(elsewhere) / part).rename(home / part)
