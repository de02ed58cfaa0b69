"""The sensor that judges the rules survives whatever it finds."""

import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from market_pipeline.alerts.ledger import Ledger
from market_pipeline.alerts.requests import Requests
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.alerts.silences import Silences
from market_pipeline.defs.alerts import alerts, asked_for, programs
from market_pipeline.defs.incidents import ack_incident, incident_reports, resolve_incident, silence_rule
from market_pipeline.defs.remedies import restart_program
from market_pipeline.defs.resources import PipelineResource

T0 = 1_800_000_000.0


@pytest.fixture
def pipeline(tmp_path: Path, refusing_port: int, monkeypatch: pytest.MonkeyPatch) -> PipelineResource:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{refusing_port}")
    monkeypatch.setenv("CASSANDRA_CONTACT_POINTS", "127.0.0.1")
    monkeypatch.setenv("CASSANDRA_PORT", str(refusing_port))
    return PipelineResource.at(tmp_path / "data")


def tick(pipeline: PipelineResource) -> str:
    result = alerts(dg.build_sensor_context(), pipeline=pipeline)
    assert isinstance(result, dg.SkipReason)
    return result.skip_message or ""


def test_with_nothing_there_it_says_what_is_wrong_and_what_can_not_be_told(pipeline: PipelineResource) -> None:
    said = tick(pipeline)
    assert "kafka-down: Kafka does not answer" in said
    assert "zero-trades can't be told: Kafka does not say how many trades came" in said
    assert Ledger(pipeline.settings().paths.incidents).not_over() == []  # it has not lasted yet


@pytest.mark.parametrize("written", ["", "{", '{"service": "producer"', "null", "\x00\x00"])
def test_a_heartbeat_that_is_half_written_does_not_end_it(pipeline: PipelineResource, written: str) -> None:
    path = pipeline.settings().paths.heartbeat("producer")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(written)
    assert "kafka-down" in tick(pipeline)


def test_a_program_that_hangs_is_restarted_by_a_run_that_is_asked_for_once(
    pipeline: PipelineResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung = Signal("program-hung", "stream", Verdict.FAULT, "stream (pid 7) last said something 30 s ago")
    monkeypatch.setattr("market_pipeline.alerts.round.judge", lambda look: [hung])
    result = alerts(dg.build_sensor_context(), pipeline=pipeline)
    assert isinstance(result, dg.SensorResult)
    (request,) = result.run_requests or []
    assert request.job_name == "restart_program"
    assert str(request.run_key).startswith("program-hung/stream/")
    assert (
        restart_program.execute_in_process(
            run_config=request.run_config, resources={"pipeline": pipeline}, raise_on_error=False
        ).success
        is False
    )  # nothing runs here
    assert "stream" in tick(pipeline)  # and no second request


def test_a_hung_program_is_seen_by_the_prompt_sensor_too_and_restarted_once(
    pipeline: PipelineResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung = Signal("program-hung", "stream", Verdict.FAULT, "stream (pid 7) last said something 30 s ago")
    monkeypatch.setattr("market_pipeline.alerts.round.judge_programs", lambda look: [hung])
    monkeypatch.setattr("market_pipeline.alerts.round.judge", lambda look: [hung])
    first = programs(dg.build_sensor_context(), pipeline=pipeline)
    assert isinstance(first, dg.SensorResult)
    assert [each.job_name for each in first.run_requests or []] == ["restart_program"]
    assert isinstance(programs(dg.build_sensor_context(), pipeline=pipeline), dg.SkipReason)
    tick(pipeline)


def test_an_incident_that_is_over_leaves_a_report(pipeline: PipelineResource, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(pipeline.settings().paths.incidents)
    ledger.judge([Signal("program-hung", "stream", Verdict.FAULT, "silent")], RULES, time.time() - 90)
    well = Signal("program-hung", "stream", Verdict.FINE)
    ledger.judge([well], RULES, time.time() - 60)
    monkeypatch.setattr("market_pipeline.alerts.round.judge_programs", lambda look: [well])
    result = programs(dg.build_sensor_context(), pipeline=pipeline)
    assert isinstance(result, dg.SensorResult)
    (event,) = result.asset_events
    assert event.asset_key == incident_reports.key
    assert str(event.metadata["incident"].value).startswith("program-hung/stream/")
    page = Path(str(event.metadata["page"].value))
    assert page.read_text() == event.metadata["report"].value
    assert isinstance(programs(dg.build_sensor_context(), pipeline=pipeline), dg.SkipReason)


def test_the_prompt_sensor_survives_that_nothing_is_there(pipeline: PipelineResource) -> None:
    result = programs(dg.build_sensor_context(), pipeline=pipeline)
    assert isinstance(result, dg.SkipReason)
    assert "nobody keeps the programs" not in (result.skip_message or "")  # the servers are elsewhere here


def test_what_people_ask_for_is_one_run_each(pipeline: PipelineResource) -> None:
    requests = Requests(pipeline.settings().paths.incidents)
    for subject, remedy in (("stream", "restart_program"), ("stream", "restart_program"), ("kafka", "restart_stream")):
        requests.ask("program-hung/stream/1", subject, remedy, "ann", time.time())
    result = asked_for(dg.build_sensor_context(), pipeline=pipeline)
    assert isinstance(result, dg.SensorResult)
    one, two = result.run_requests or []
    assert (one.job_name, one.tags["market_pipeline/asked_by"]) == ("restart_program", "ann")
    assert one.run_config["ops"]["restart_program_now"]["config"]["program"] == "stream"
    assert (two.job_name, two.run_config) == ("restart_stream", {})
    assert one.run_key != two.run_key
    again = asked_for(dg.build_sensor_context(), pipeline=pipeline)  # the tick before may have failed after all
    assert isinstance(again, dg.SensorResult)
    assert [each.run_key for each in again.run_requests or []] == [one.run_key, two.run_key]


def test_incidents_are_taken_on_silenced_and_ended_by_jobs_too(pipeline: PipelineResource) -> None:
    ledger = Ledger(pipeline.settings().paths.incidents)
    ledger.judge([Signal("program-hung", "stream", Verdict.FAULT, "silent")], RULES, T0)
    ran = {"resources": {"pipeline": pipeline}, "raise_on_error": False}

    def run(job: dg.JobDefinition, **config: object) -> bool:
        return job.execute_in_process(run_config={"ops": {f"{job.name}_now": {"config": config}}}, **ran).success

    assert run(ack_incident, incident="program-hung", by="ann")
    assert ledger.show("program-hung")[0].acked_by == "ann"
    assert run(silence_rule, rule="kafka-*", by="ann", reason="moving it")
    assert not run(silence_rule, rule="kafak-*", by="ann", reason="moving it")
    assert not run(silence_rule, rule="*", by="ann", reason=" ")
    silences = Silences(pipeline.settings().paths.incidents).not_over(time.time())
    assert [each.rule for each in silences.values()] == ["kafka-*"]
    assert run(resolve_incident, incident="program-hung", by="ann")
    assert not run(resolve_incident, incident="no-such", by="ann")
    assert ledger.not_over() == []


def test_importing_it_loads_no_client() -> None:
    """The code server is started anew often, and should hold no connection that a tick doesn't need."""
    code = "import sys, market_pipeline.defs.alerts; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"confluent_kafka", "cassandra"} & set(loaded)
