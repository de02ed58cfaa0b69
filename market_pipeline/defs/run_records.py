"""What Dagster itself has to tell: runs that failed, checks that fail, schedules that missed their time."""

from collections.abc import Iterator
from datetime import UTC, datetime
from textwrap import shorten
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._utils.schedules import schedule_execution_time_iterator

from market_pipeline.defs.outcomes import TEXT_LIMIT
from market_pipeline.defs.partitions import OF_WHICH_DAY

if TYPE_CHECKING:
    from market_pipeline.alerts.look import Runs, Unhappy

LOOK_BACK_S = 2 * 86_400.0
"""A job whose last run is older says nothing of today."""
BY_HAND_S = 3_600.0
"""A job without a schedule was asked for by somebody, or by an alert, and is not run again by itself."""
LATE_S = 180.0
"""The daemon looks each half minute, and a tick takes its time on a busy machine."""
_OVER = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
_AD_HOC = "__"
"""How the names of jobs begin that Dagster makes of what a person materialises by hand, who sees the outcome."""


def runs_of(instance: dg.DagsterInstance, repository: dg.RepositoryDefinition, now: float) -> "Runs":
    """What Dagster's storage has; ``now`` in epoch seconds."""
    from market_pipeline.alerts.look import Runs

    return Runs(
        jobs=dict(_jobs(instance, repository, now)),
        checks=dict(_checks(instance, repository)),
        schedules=dict(_schedules(instance, repository, now)),
    )


def _jobs(
    instance: dg.DagsterInstance, repository: dg.RepositoryDefinition, now: float
) -> Iterator[tuple[str, "Unhappy | None"]]:
    scheduled = {schedule.job_name for schedule in repository.schedule_defs}
    for name in repository.job_names:
        if not name.startswith(_AD_HOC):
            yield name, _failure(instance, name, now - (LOOK_BACK_S if name in scheduled else BY_HAND_S))


def _failure(instance: dg.DagsterInstance, job: str, since: float) -> "Unhappy | None":
    """How the job's newest run that is over failed; what failed before ``since`` is nobody's concern any more."""
    from market_pipeline.alerts.look import Unhappy

    filters = dg.RunsFilter(job_name=job, statuses=_OVER, updated_after=datetime.fromtimestamp(since, UTC))
    for record in instance.get_run_records(filters, limit=1, order_by="update_timestamp"):
        if record.dagster_run.status is dg.DagsterRunStatus.FAILURE:
            run = record.dagster_run.run_id
            reason = reason_of(instance, run)
            return Unhappy(f"run {run[:8]} failed" + (f": {reason}" if reason else ""), run)
    return None


def reason_of(instance: dg.DagsterInstance, run: str) -> str:
    """Why a run failed, in one line: what its first step that did told, else what Dagster did; '' where neither."""
    for of in (dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE):
        for record in instance.get_records_for_run(run, of_type=of, limit=1).records:
            event = record.event_log_entry.dagster_event
            if event is not None and (said := shorten(_said(event), TEXT_LIMIT, placeholder=" …")):
                return said
    return ""


def _said(event: dg.DagsterEvent) -> str:
    if event.event_type is not dg.DagsterEventType.STEP_FAILURE:
        return event.message or ""
    failed = event.step_failure_data
    if failed.user_failure_data is not None and failed.user_failure_data.description:
        return failed.user_failure_data.description
    error = failed.error
    while error is not None and error.cause is not None and (error.cls_name or "").startswith("Dagster"):
        error = error.cause  # what was raised, and not what Dagster wraps around it
    if error is None:
        return event.message or ""
    if "for a non-partitioned run" in error.message:  # Dagster looks for the versions of an asset's inputs before us
        return OF_WHICH_DAY
    told_by_us = error.cls_name == dg.Failure.__name__
    return error.message.partition(": ")[2] if told_by_us else error.message


def _checks(
    instance: dg.DagsterInstance, repository: dg.RepositoryDefinition
) -> Iterator[tuple[str, "Unhappy | None"]]:
    from market_pipeline.alerts.look import Unhappy

    keys = sorted(repository.asset_graph.asset_check_keys)
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    for key, record in records.items():
        if record.status in (AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED):
            failed = record.status is AssetCheckExecutionRecordStatus.FAILED
            name = f"{key.asset_key.to_user_string()}:{key.name}"
            yield name, Unhappy(f"failed in run {record.run_id[:8]}", record.run_id) if failed else None


def _schedules(
    instance: dg.DagsterInstance, repository: dg.RepositoryDefinition, now: float
) -> Iterator[tuple[str, "Unhappy | None"]]:
    from market_pipeline.alerts.look import Unhappy

    schedules = {schedule.name: schedule for schedule in repository.schedule_defs}
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE):
        schedule = schedules.get(state.instigator_name)
        if schedule is None or state.status is InstigatorStatus.STOPPED:  # somebody's wish
            continue
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        if not ticks:
            continue  # its first time has not come
        due = next(
            schedule_execution_time_iterator(
                now - LATE_S, schedule.cron_schedule, schedule.execution_timezone, ascending=False
            )
        )
        began = getattr(state.instigator_data, "start_timestamp", None) or 0.0
        if ticks[0].status is TickStatus.FAILURE:
            yield schedule.name, Unhappy("its last tick failed")
        elif began <= due.timestamp() and ticks[0].timestamp < due.timestamp():  # else it was switched on since
            yield schedule.name, Unhappy(f"no tick since that of {due:%Y-%m-%d %H:%M} UTC was due")
        else:
            yield schedule.name, None
