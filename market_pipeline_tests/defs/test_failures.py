"""What a run prints when the pipeline is down: one line with the cure, and no stack."""

from pathlib import Path

import dagster as dg
import pytest
from cassandra.cluster import NoHostAvailable

from market_pipeline.broker.client import BrokerUnreachableError
from market_pipeline.bronze import archive
from market_pipeline.defs.failures import told_in_one_line
from market_pipeline.defs.partitions import DAILY, days_of
from market_pipeline.defs.resources import BatchSpark, PipelineResource
from market_pipeline.defs.silver import trades_silver


def test_a_run_of_a_day_without_a_day_is_told_how_to_choose_one() -> None:
    @dg.asset(partitions_def=DAILY)
    def table(context: dg.AssetExecutionContext) -> None:
        with told_in_one_line():
            days_of(context)

    job = dg.Definitions(assets=[table], jobs=[dg.define_asset_job("routine", "table")]).resolve_job_def("routine")
    done = job.execute_in_process(raise_on_error=False)
    (failed,) = [event for event in done.all_node_events if event.is_step_failure]
    assert "of which day? " in failed.step_failure_data.error_display_string
    assert job.execute_in_process(partition_key="2026-11-24").success


def test_an_asset_of_a_pipeline_that_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = PipelineResource.at(tmp_path)

    def down(*_: object) -> None:
        raise BrokerUnreachableError(pipeline.settings(), "connection refused")

    monkeypatch.setattr(archive, "archive_new", down)
    done = dg.materialize(
        [trades_silver],
        partition_key="2025-11-10",
        resources={"pipeline": pipeline, "spark": BatchSpark()},
        raise_on_error=False,
    )
    (failed,) = done.get_step_failure_events()
    told = failed.step_failure_data.error_display_string
    lines = [line for line in told.splitlines() if line.strip()]
    assert len(lines) == 2
    assert lines[-1].endswith(f"start it with `market-pipeline up --data-dir {tmp_path}`")


@pytest.mark.parametrize(
    ("error", "says"),
    [(NoHostAvailable("away", {}), "Cassandra failed (NoHostAvailable: away): see `market-pipeline status`")],
)
def test_what_fails_is_the_cause_and_is_not_tried_again(error: Exception, says: str) -> None:
    with pytest.raises(dg.DagsterUserCodeExecutionError) as caught, told_in_one_line():
        raise error
    failure = caught.value.__cause__
    assert isinstance(failure, dg.Failure)
    assert (failure.description or "").startswith(says)
    assert not failure.allow_retries


def test_an_error_of_the_program_itself_keeps_its_stack() -> None:
    with pytest.raises(ZeroDivisionError), told_in_one_line():
        raise ZeroDivisionError
