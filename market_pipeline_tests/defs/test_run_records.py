"""What Dagster's own storage tells of runs, checks and schedules, read as the rules want it."""

import time
from collections.abc import Iterator
from dataclasses import replace

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster_shared.error import SerializableErrorInfo

from market_pipeline.alerts.rulebook import judge
from market_pipeline.alerts.signal import Verdict
from market_pipeline.defs.failures import told_in_one_line
from market_pipeline.defs.run_records import LATE_S, reason_of, runs_of
from market_pipeline.mendable import Mendable
from market_pipeline_tests.unit.alerts.looks import WELL

HOUR_S = 3_600.0
outcome = {"op": True, "check": True}


@dg.op
def step() -> None:
    if not outcome["op"]:
        raise RuntimeError("no")


@dg.job
def routine() -> None:
    step()


@dg.asset
def table() -> None: ...


@dg.asset_check(asset=table)  # type: ignore[arg-type]
def is_whole() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=outcome["check"])


hourly = dg.ScheduleDefinition(job=routine, cron_schedule="0 * * * *", execution_timezone="UTC")
repository = dg.Definitions(
    assets=[table], asset_checks=[is_whole], jobs=[routine], schedules=[hourly]
).get_repository_def()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    outcome.update(op=True, check=True)
    with dg.instance_for_test() as instance:
        yield instance


def run(instance: dg.DagsterInstance, *, well: bool) -> None:
    outcome["op"] = well
    routine.execute_in_process(instance=instance, raise_on_error=False)


def test_a_job_is_as_good_as_its_last_run(instance: dg.DagsterInstance) -> None:
    assert runs_of(instance, repository, time.time()).jobs == {"routine": None}
    run(instance, well=False)
    told = runs_of(instance, repository, time.time()).jobs["routine"]
    assert told is not None
    assert told.run is not None
    assert told.text == f"run {told.run[:8]} failed: RuntimeError: no"
    run(instance, well=True)
    assert runs_of(instance, repository, time.time()).jobs == {"routine": None}
    run(instance, well=False)
    late = runs_of(instance, repository, time.time() + 3 * 86_400)
    assert late.jobs == {"routine": None}  # it says nothing of that day


def test_a_job_that_somebody_asked_for_is_told_for_an_hour(instance: dg.DagsterInstance) -> None:
    by_hand = dg.Definitions(jobs=[routine]).get_repository_def()
    run(instance, well=False)
    assert runs_of(instance, by_hand, time.time()).jobs["routine"] is not None
    assert runs_of(instance, by_hand, time.time() + 3_700).jobs == {"routine": None}
    assert runs_of(instance, repository, time.time() + 3_700).jobs["routine"] is not None  # its schedule runs it again


def test_a_check_is_as_good_as_its_last_execution(instance: dg.DagsterInstance) -> None:
    whole = dg.AssetSelection.all()
    job = dg.Definitions(
        assets=[table], asset_checks=[is_whole], jobs=[dg.define_asset_job("everything", whole)]
    ).resolve_job_def("everything")
    for passes in (False, True):
        outcome["check"] = passes
        job.execute_in_process(instance=instance)
        (told,) = runs_of(instance, repository, time.time()).checks.items()
        assert told[0] == "table:is_whole"
        assert (told[1] is None) == passes


def ticked(instance: dg.DagsterInstance, at: float, status: TickStatus = TickStatus.SUCCESS) -> InstigatorState:
    location = RegisteredCodeLocationOrigin("market_pipeline")
    origin = RemoteRepositoryOrigin(location, repository.name).get_instigator_origin(hourly.name)
    state = InstigatorState(
        origin, InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, ScheduleInstigatorData("0 * * * *", at)
    )
    instance.add_instigator_state(state)
    error = SerializableErrorInfo("no", [], None) if status is TickStatus.FAILURE else None
    tick = TickData(
        origin.get_id(), hourly.name, InstigatorType.SCHEDULE, status, at,
        run_ids=[], run_keys=[], error=error, selector_id=state.selector_id,
    )  # fmt: skip
    instance.create_tick(tick)
    return state


def of_schedules(instance: dg.DagsterInstance, now: float) -> dict[str, str | None]:
    told = runs_of(instance, repository, now).schedules
    return {name: wrong and wrong.text for name, wrong in told.items()}


def test_what_is_told_in_one_line_is_the_reason(instance: dg.DagsterInstance) -> None:
    @dg.op
    def refuse() -> None:
        with told_in_one_line():
            raise Mendable("no room:\nmake some")

    @dg.job
    def compact() -> None:
        refuse()

    failed = compact.execute_in_process(instance=instance, raise_on_error=False)
    assert reason_of(instance, failed.run_id) == "no room: make some"

    @dg.op
    def chained() -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise RuntimeError("the store is away: start it") from error

    @dg.job
    def chain() -> None:
        chained()

    failed = chain.execute_in_process(instance=instance, raise_on_error=False)
    assert reason_of(instance, failed.run_id) == "RuntimeError: the store is away: start it"
    good = routine.execute_in_process(instance=instance)
    assert reason_of(instance, good.run_id) == ""


def test_a_schedule_is_late_when_a_time_passed_without_its_tick(instance: dg.DagsterInstance) -> None:
    hour = time.time() // HOUR_S * HOUR_S
    assert of_schedules(instance, hour) == {}
    state = ticked(instance, hour)
    assert of_schedules(instance, hour + HOUR_S + LATE_S - 1) == {hourly.name: None}
    assert "was due" in str(of_schedules(instance, hour + HOUR_S + LATE_S + 1)[hourly.name])
    again = state.with_data(ScheduleInstigatorData("0 * * * *", hour + 1.5 * HOUR_S))
    instance.update_instigator_state(again)
    assert of_schedules(instance, hour + 1.6 * HOUR_S) == {hourly.name: None}  # it was switched on after its time
    instance.update_instigator_state(state.with_status(InstigatorStatus.STOPPED))
    assert of_schedules(instance, hour + 9 * HOUR_S) == {}  # somebody's wish


def test_a_tick_that_failed_is_told(instance: dg.DagsterInstance) -> None:
    hour = time.time() // HOUR_S * HOUR_S
    ticked(instance, hour, TickStatus.FAILURE)
    assert of_schedules(instance, hour + 60) == {hourly.name: "its last tick failed"}


def test_the_rules_make_incidents_of_it(instance: dg.DagsterInstance) -> None:
    run(instance, well=False)
    ticked(instance, time.time() // HOUR_S * HOUR_S)
    said = judge(replace(WELL, runs=runs_of(instance, repository, time.time())))
    mine = {each.subject: each for each in said if each.rule in ("failed-run", "missed-schedule")}
    assert {name: each.verdict for name, each in mine.items()} == {
        "routine": Verdict.FAULT,
        hourly.name: Verdict.FINE,
    }
    assert mine["routine"].text.startswith("routine: run ")
    assert mine["routine"].evidence["run"].startswith(mine["routine"].text.split()[2])
