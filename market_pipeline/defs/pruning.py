"""Dagster keeps every run for ever; of the old ones only those are left that still say something.

An archive each ten minutes is 52,000 runs a year. A run takes its materialisations with it when it is deleted, so the
newest good run of each job and partition stays, however old it is.
"""

import shutil
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

KEPT = timedelta(days=30)
AT_MOST = 5_000
"""Runs deleted at once: each takes some milliseconds, and the next week brings the next time."""
_OVER = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
_PARTITION = "dagster/partition"
_FIRST, _LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def prune(instance: dg.DagsterInstance, now: datetime) -> int:
    """Delete what is older than ``KEPT`` and superseded; returns how many runs that were."""
    gone = obsolete(instance.get_run_records(dg.RunsFilter(statuses=list(_OVER))), now - KEPT)[:AT_MOST]
    for run_id in gone:
        instance.delete_run(run_id)
        _remove_files(Path(instance.root_directory), run_id)
    return len(gone)


def _remove_files(home: Path, run_id: str) -> None:
    """What Dagster leaves behind on one machine: the emptied file of the run's events, and what its steps printed."""
    (home / "history" / "runs" / f"{run_id}.db").unlink(missing_ok=True)
    shutil.rmtree(home / "storage" / run_id, ignore_errors=True)


def obsolete(records: Iterable[dg.RunRecord], before: datetime) -> list[str]:
    """The ids of the runs that were made before then and have a newer good one of the same job and days. Pure.

    Args:
        records: the newest first, as Dagster gives them.
        before: a moment with a zone.
    """
    seen: set[tuple[str, ...]] = set()
    found = []
    for record in records:
        run = record.dagster_run
        key = (run.job_name, *(run.tags.get(tag, "") for tag in (_PARTITION, _FIRST, _LAST)), *_assets(run))
        created = record.create_timestamp
        created = created if created.tzinfo is not None else created.replace(tzinfo=UTC)
        if key in seen and created < before:
            found.append(run.run_id)
        if run.status is dg.DagsterRunStatus.SUCCESS:
            seen.add(key)
    return found


def _assets(run: dg.DagsterRun) -> list[str]:
    """What was selected of it: a materialisation by hand has a job of everybody's name."""
    return sorted(key.to_user_string() for key in run.asset_selection or ())
