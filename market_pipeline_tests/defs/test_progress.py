"""The progress sensors, from heartbeat files alone."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.loader import LoadingContext

from market_pipeline.defs.progress import look, producer_progress, stream_progress
from market_pipeline.defs.resources import PipelineResource
from market_pipeline.settings import Settings

DAY_MS = 1_610_064_059_000
"""On 2021-01-08."""
STREAM: dict[str, Any] = {
    "phase": "running", "offsets": {"0": 5}, "newest_event_ts": DAY_MS, "lag": 0, "input_rate": 12.5,
}  # fmt: skip


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineResource:
    return PipelineResource.at(tmp_path)


def beat(pipeline: PipelineResource, service: str, detail: dict[str, Any], age_s: float = 0.0) -> None:
    path = pipeline.settings().paths.heartbeat(service)
    path.parent.mkdir(parents=True, exist_ok=True)
    now = time.time() - age_s
    record = {"service": service, "pid": 1, "started_at": now - 60, "beat_at": now, "detail": detail}
    path.write_text(json.dumps(record))


def tick(sensor: Any, pipeline: PipelineResource, cursor: str | None = None) -> dg.SensorResult:
    result = sensor(dg.build_sensor_context(cursor=cursor), pipeline=pipeline)
    assert isinstance(result, dg.SensorResult)
    return result


def told(result: dg.SensorResult, kind: type) -> list[Any]:
    return [event for event in result.asset_events if isinstance(event, kind)]


def test_new_data_is_a_materialisation_of_its_day_on_each_table(pipeline: PipelineResource) -> None:
    beat(pipeline, "stream", STREAM)
    result = tick(stream_progress, pipeline)
    events = told(result, dg.AssetMaterialization)
    assert {event.asset_key.to_user_string() for event in events} == {"trades_silver", "latest_prices", "ohlcv_1m"}
    assert {event.partition for event in events} == {"2021-01-08"}
    assert events[0].metadata["input_rate"].value == 12.5
    assert events[0].metadata["last trade"].value == DAY_MS / 1000
    assert len(told(result, dg.AssetObservation)) == 3


class Loading(LoadingContext):
    """What Dagster's page reads with."""

    workspace_context = None

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance, self._loaders = instance, dict[Any, Any]()

    @property
    def instance(self) -> dg.DagsterInstance:
        return self._instance

    @property
    def loaders(self) -> dict[Any, Any]:
        return self._loaders


def is_shown(instance: dg.DagsterInstance, asset: str, check: str) -> bool:
    """Whether the page shows the check's newest result, instead of "Not evaluated"."""
    key = dg.AssetCheckKey(dg.AssetKey(asset), check)
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    return asyncio.run(record.targets_latest_materialization(Loading(instance)))


def report(instance: dg.DagsterInstance, result: dg.SensorResult) -> None:
    for event in result.asset_events:
        instance.report_runless_asset_event(event)


def test_what_a_check_found_on_a_day_stays_while_the_stream_goes_on(pipeline: PipelineResource) -> None:
    began = time.time()
    with dg.instance_for_test() as instance:
        beat(pipeline, "stream", STREAM)
        first = look(dg.build_sensor_context(), pipeline, "stream", now=lambda: began)
        report(instance, first)
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey("trades_silver"),
                check_name="no_doubled_trade_id",
                passed=True,
                partition="2021-01-08",
            )
        )
        assert is_shown(instance, "trades_silver", "no_doubled_trade_id")
        beat(pipeline, "stream", STREAM | {"offsets": {"0": 9}, "newest_event_ts": DAY_MS + 600_000})
        later = look(dg.build_sensor_context(cursor=first.cursor), pipeline, "stream", now=lambda: began + 600)
        assert "trades_silver" in {event.asset_key.to_user_string() for event in told(later, dg.AssetMaterialization)}
        report(instance, later)
        assert is_shown(instance, "trades_silver", "no_doubled_trade_id")
        assert instance.get_materialized_partitions(dg.AssetKey("trades_silver")) == {"2021-01-08"}


def test_the_first_data_of_a_day_is_one_of_its_partition(pipeline: PipelineResource) -> None:
    beat(pipeline, "stream", STREAM)
    now = time.time()
    first = look(dg.build_sensor_context(), pipeline, "stream", now=lambda: now)
    next_day = {"offsets": {"0": 9}, "newest_event_ts": DAY_MS + 86_400_000}
    beat(pipeline, "stream", STREAM | next_day)
    second = look(dg.build_sensor_context(cursor=first.cursor), pipeline, "stream", now=lambda: now + 600)
    assert {event.partition for event in told(second, dg.AssetMaterialization)} == {"2021-01-09"}


def test_a_check_of_a_whole_asset_is_evaluated_with_the_report_of_new_data(pipeline: PipelineResource) -> None:
    with dg.instance_for_test() as instance:
        for confirmed in (7, 8):
            beat(pipeline, "producer", {"connected": True, "confirmed": confirmed, "last_trade_ts": DAY_MS})
            report(instance, tick(producer_progress, pipeline))
            assert is_shown(instance, "trades_raw", "no_offsets_lost")


def test_a_check_that_can_not_be_evaluated_is_left_out(pipeline: PipelineResource, refusing_port: int) -> None:
    elsewhere = PipelineResource.at(pipeline.settings().data_dir, refusing_port - 42)
    beat(pipeline, "stream", STREAM)
    result = tick(stream_progress, elsewhere)
    assert len(told(result, dg.AssetMaterialization)) == 3
    assert told(result, dg.AssetCheckEvaluation) == []


def test_rows_of_feed_gaps_are_a_materialisation(pipeline: PipelineResource) -> None:
    beat(pipeline, "producer", {"connected": True, "gap_rows_stored": 0, "gaps_waiting": 1})
    first = tick(producer_progress, pipeline)
    assert told(first, dg.AssetMaterialization) == []
    assert first.cursor is not None
    beat(pipeline, "producer", {"connected": True, "gap_rows_stored": 8, "gaps_waiting": 0})
    (event,) = told(tick(producer_progress, pipeline, first.cursor), dg.AssetMaterialization)
    assert (event.asset_key.to_user_string(), event.partition) == ("feed_gaps", None)
    assert event.metadata["rows_stored"].value == 8


def test_a_cursor_of_an_older_version_is_read(pipeline: PipelineResource) -> None:
    beat(pipeline, "stream", STREAM)
    first = tick(stream_progress, pipeline)
    older = {key: {n: v for n, v in each.items() if n != "day"} for key, each in json.loads(first.cursor or "").items()}
    assert told(tick(stream_progress, pipeline, json.dumps(older)), dg.AssetMaterialization) == []


def test_the_same_data_is_told_once(pipeline: PipelineResource) -> None:
    beat(pipeline, "stream", STREAM)
    first = tick(stream_progress, pipeline)
    second = tick(stream_progress, pipeline, first.cursor)
    assert second.asset_events == []
    assert second.skip_reason == dg.SkipReason("stream: running, newest trade 2021-01-08T00:00:59.000+00:00")


def test_the_producer_reports_on_trades_raw(pipeline: PipelineResource) -> None:
    beat(pipeline, "producer", {"connected": True, "confirmed": 7, "last_trade_ts": DAY_MS})
    (event,) = told(tick(producer_progress, pipeline), dg.AssetMaterialization)
    assert (event.asset_key.to_user_string(), event.partition) == ("trades_raw", "2021-01-08")


def test_without_a_heartbeat_there_is_a_state_and_no_data(pipeline: PipelineResource) -> None:
    result = tick(stream_progress, pipeline)
    assert told(result, dg.AssetMaterialization) == []
    assert {event.metadata["state"].value for event in told(result, dg.AssetObservation)} == {"no heartbeat"}


def test_a_half_written_heartbeat_is_like_none(pipeline: PipelineResource) -> None:
    beat(pipeline, "stream", STREAM)
    path = pipeline.settings().paths.heartbeat("stream")
    path.write_text(path.read_text()[:40])
    assert told(tick(stream_progress, pipeline), dg.AssetMaterialization) == []


def test_a_heartbeat_that_stopped_says_so(pipeline: PipelineResource) -> None:
    beat(pipeline, "stream", STREAM, age_s=60)
    result = tick(stream_progress, pipeline)
    assert told(result, dg.AssetObservation)[0].metadata["state"].value == "running, but no heartbeat lately"


def test_a_clock_that_was_set_back_hides_nothing(pipeline: PipelineResource) -> None:
    beat(pipeline, "stream", STREAM)
    ahead = time.time() + 7200
    first = look(dg.build_sensor_context(), pipeline, "stream", now=lambda: ahead)
    beat(pipeline, "stream", STREAM | {"offsets": {"0": 9}})
    again = tick(stream_progress, pipeline, first.cursor)
    assert len(told(again, dg.AssetMaterialization)) == 3


def test_data_from_before_the_first_partition_keeps_its_day_and_says_what_adds_it(pipeline: PipelineResource) -> None:
    beat(pipeline, "stream", STREAM | {"newest_event_ts": 1_500_000_000_000})
    result = tick(stream_progress, pipeline)
    assert {event.partition for event in told(result, dg.AssetMaterialization)} == {"2017-07-14"}
    assert "partitions begin on 2021-01-01; `market-pipeline restart dagster-code-server`" in str(result.skip_reason)


def test_a_foreign_cursor_is_survived(pipeline: PipelineResource) -> None:
    beat(pipeline, "stream", STREAM)
    assert len(told(tick(stream_progress, pipeline, '{"old": true}'), dg.AssetMaterialization)) == 3


def test_a_tick_is_quick(pipeline: PipelineResource) -> None:
    beat(pipeline, "stream", STREAM)
    began = time.process_time()
    tick(stream_progress, pipeline)
    assert time.process_time() - began < 2


def test_dagster_keeps_what_a_sensor_tells(pipeline: PipelineResource) -> None:
    beat(pipeline, "stream", STREAM)
    with dg.instance_for_test() as instance:
        for event in tick(stream_progress, pipeline).asset_events:
            instance.report_runless_asset_event(event)
        latest = instance.get_latest_materialization_event(dg.AssetKey("trades_silver"))
        assert latest is not None
        assert instance.get_materialized_partitions(dg.AssetKey("trades_silver")) == {"2021-01-08"}


def test_a_pipeline_is_found_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MARKET_PIPELINE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MARKET_PIPELINE_PORT_BASE", "24500")
    found = PipelineResource().settings()
    assert (found.data_dir, found.ports.kafka) == (tmp_path, 24592)
    assert isinstance(found, Settings)
