"""The remedies as jobs, without servers."""

import time
from pathlib import Path

import dagster as dg
import pytest

from market_pipeline.alerts.cures import INCIDENT_TAG
from market_pipeline.alerts.outcomes import Outcomes
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.definitions import defs as load
from market_pipeline.defs import remedies, repairs
from market_pipeline.defs.resources import PipelineResource
from market_pipeline.defs.run_records import runs_of
from market_pipeline.local.dagster_home import REFUSED_TAG
from market_pipeline.local.remedies import RESTARTS
from market_pipeline.remedies import compaction
from market_pipeline.remedies.compaction import NoRoom


def test_each_remedy_that_a_rule_names_is_a_job_and_all_share_a_pool() -> None:
    jobs = {job.name: job for job in load().get_repository_def().get_all_jobs()}
    assert {rule.remedy for rule in RULES.values() if rule.remedy} <= jobs.keys()
    for name in RESTARTS:
        assert jobs[name].nodes_in_topological_order[0].definition.pools == {remedies.POOL}


def test_a_fill_without_a_source_is_refused_and_is_no_failed_run(tmp_path: Path) -> None:
    pipeline = PipelineResource.at(tmp_path / "data")
    says = "there is no second source: set MARKET_PIPELINE_SECOND_SOURCE to another pipeline's journal"
    with dg.instance_for_test() as instance:
        done = repairs.fill_gap.execute_in_process(resources={"pipeline": pipeline}, instance=instance)
        assert done.success
        (output,) = [event for event in done.all_node_events if event.is_successful_output]
        assert str(output.step_output_data.metadata["refused"].value).startswith(says)
        run = instance.get_run_by_id(done.run_id)
        assert run is not None
        assert run.tags[REFUSED_TAG].startswith(says)
        repository = dg.Definitions(jobs=[repairs.fill_gap], resources={"pipeline": pipeline}).get_repository_def()
        assert runs_of(instance, repository, time.time()).jobs == {"fill_gap": None}


def test_a_compaction_without_room_is_refused_and_kept_with_its_incident_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise NoRoom("the disk is short: make room")

    monkeypatch.setattr(compaction, "compact", refuse)
    pipeline = PipelineResource.at(tmp_path / "data")
    done = repairs.compact_keyspace.execute_in_process(
        resources={"pipeline": pipeline}, tags={INCIDENT_TAG: "cassandra-disk/cassandra/1"}
    )
    assert done.success
    (outcome,) = Outcomes(pipeline.settings().paths.incidents).of("cassandra-disk/cassandra/1")
    assert (outcome.worked, outcome.text) == (None, "refused: the disk is short: make room")


@pytest.mark.parametrize(
    ("config", "line"), [({"day": "yesterday"}, "'yesterday' is not a day: write it as 2026-11-24")]
)
def test_gaps_are_not_filled_from_nothing(config: dict[str, str], line: str, tmp_path: Path) -> None:
    pipeline = PipelineResource.at(tmp_path / "data")
    done = repairs.fill_gap.execute_in_process(
        run_config={"ops": {"fill_gap_now": {"config": config}}},
        resources={"pipeline": pipeline},
        raise_on_error=False,
    )
    (failed,) = [event for event in done.all_node_events if event.is_step_failure]
    assert "'yesterday' is not a day: write it as 2026-11-24" in failed.step_failure_data.error_display_string


def test_what_a_run_for_an_incident_came_to_is_kept_with_it(tmp_path: Path) -> None:
    pipeline = PipelineResource.at(tmp_path / "data")
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
    pipeline = PipelineResource.at(tmp_path / "data")
    for job in (remedies.restart_kafka, repairs.compact_keyspace):
        done = job.execute_in_process(resources={"pipeline": pipeline}, raise_on_error=False)
        (failed,) = [event for event in done.all_node_events if event.is_step_failure]
        assert failed.step_failure_data.error.cause.cls_name == "Failure"
        assert "port_base" in failed.step_failure_data.error.cause.message.lower()


@pytest.mark.parametrize("job", [remedies.restart_producer, remedies.restart_stream, remedies.restart_kafka])
def test_with_nothing_running_the_run_ends_with_one_line(job: dg.JobDefinition, tmp_path: Path) -> None:
    pipeline = PipelineResource.at(tmp_path / "data")
    done = job.execute_in_process(resources={"pipeline": pipeline}, raise_on_error=False)
    assert not done.success
    (failed,) = [event for event in done.all_node_events if event.is_step_failure]
    assert "is the pipeline up? See `market-pipeline status`" in failed.step_failure_data.error_display_string


@pytest.mark.parametrize(
    ("job", "config", "line"),
    [
        (remedies.restart_producer, {"symbols": ['A"\ncommand=/bin/sh -c id']}, "MARKET_PIPELINE_SYMBOLS: 'A\"\\n"),
        (remedies.restart_producer, {"symbols": ["A" * 65]}, "has 65 characters"),
        (remedies.restart_stream, {"spark_driver_memory_mb": 7}, "MARKET_PIPELINE_SPARK_DRIVER_MEMORY_MB must be a"),
        (remedies.restart_stream, {"spark_driver_memory_mb": 1 << 20}, "the MiB of memory that this machine has"),
    ],
)
def test_a_value_of_the_run_configuration_is_refused_in_one_line(
    job: dg.JobDefinition, config: dict[str, object], line: str, tmp_path: Path
) -> None:
    pipeline = PipelineResource.at(tmp_path / "data")
    done = job.execute_in_process(
        run_config={"ops": {f"{job.name}_now": {"config": config}}},
        resources={"pipeline": pipeline},
        raise_on_error=False,
    )
    (failed,) = [event for event in done.all_node_events if event.is_step_failure]
    assert failed.step_failure_data.error.cause.cls_name == "Failure"
    assert line in failed.step_failure_data.error.cause.message
    assert not list((tmp_path / "data").rglob("*.overrides.json"))


@pytest.mark.parametrize("program", ["zookeeper", "producer; id", "../producer", ""])
def test_only_a_program_of_ours_can_be_named(program: str, tmp_path: Path) -> None:
    config = {"ops": {"restart_program_now": {"config": {"program": program}}}}
    with pytest.raises(dg.DagsterInvalidConfigError, match="program"):
        remedies.restart_program.execute_in_process(
            run_config=config, resources={"pipeline": PipelineResource.at(tmp_path)}
        )
