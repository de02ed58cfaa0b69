"""The remedies as jobs, without servers."""

from pathlib import Path

import dagster as dg
import pytest

from market_pipeline.alerts.cures import INCIDENT_TAG
from market_pipeline.alerts.outcomes import Outcomes
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.definitions import defs as load
from market_pipeline.defs import remedies, repairs
from market_pipeline.defs.resources import PipelineResource
from market_pipeline.local.remedies import RESTARTS


def test_each_remedy_that_a_rule_names_is_a_job_and_all_share_a_pool() -> None:
    jobs = {job.name: job for job in load().get_repository_def().get_all_jobs()}
    assert {rule.remedy for rule in RULES.values() if rule.remedy} <= jobs.keys()
    for name in RESTARTS:
        assert jobs[name].nodes_in_topological_order[0].definition.pools == {remedies.POOL}


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({}, "there is no second source: set MARKET_PIPELINE_SECOND_SOURCE to another pipeline's journal"),
        ({"day": "yesterday"}, "'yesterday' is not a day: write it as 2026-11-24"),
    ],
)
def test_gaps_are_not_filled_from_nothing(config: dict[str, str], line: str, tmp_path: Path) -> None:
    pipeline = PipelineResource(data_dir=str(tmp_path / "data"))
    done = repairs.fill_gap.execute_in_process(
        run_config={"ops": {"fill_gap_now": {"config": config}}},
        resources={"pipeline": pipeline},
        raise_on_error=False,
    )
    (failed,) = [event for event in done.all_node_events if event.is_step_failure]
    assert line in failed.step_failure_data.error_display_string


def test_what_a_run_for_an_incident_came_to_is_kept_with_it(tmp_path: Path) -> None:
    pipeline = PipelineResource(data_dir=str(tmp_path / "data"))
    for tags in ({}, {INCIDENT_TAG: "zero-trades/trades_raw/1"}):
        done = remedies.restart_producer.execute_in_process(
            resources={"pipeline": pipeline}, raise_on_error=False, tags=tags
        )
    kept = Outcomes(pipeline.settings().paths.incidents).of("zero-trades/trades_raw/1")
    (outcome,) = kept  # the run that was for no incident left nothing
    assert (outcome.run, outcome.worked) == (done.run_id, False)
    assert "supervisor" in outcome.text


def test_a_setting_that_is_wrong_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKET_PIPELINE_PORT_BASE", "many")
    pipeline = PipelineResource(data_dir=str(tmp_path / "data"))
    for job in (remedies.restart_kafka, repairs.compact_keyspace):
        done = job.execute_in_process(resources={"pipeline": pipeline}, raise_on_error=False)
        (failed,) = [event for event in done.all_node_events if event.is_step_failure]
        assert failed.step_failure_data.error.cause.cls_name == "Failure"
        assert "port_base" in failed.step_failure_data.error.cause.message.lower()


@pytest.mark.parametrize("job", [remedies.restart_producer, remedies.restart_stream, remedies.restart_kafka])
def test_with_nothing_running_the_run_ends_with_one_line(job: dg.JobDefinition, tmp_path: Path) -> None:
    pipeline = PipelineResource(data_dir=str(tmp_path / "data"))
    done = job.execute_in_process(resources={"pipeline": pipeline}, raise_on_error=False)
    assert not done.success
    (failed,) = [event for event in done.all_node_events if event.is_step_failure]
    assert "is the pipeline up? See `market-pipeline status`" in failed.step_failure_data.error_display_string
