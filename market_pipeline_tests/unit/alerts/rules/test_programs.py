"""Programs that don't run, don't stay up, or hang."""

from dataclasses import replace

import pytest

from market_pipeline.alerts.rulebook import judge
from market_pipeline.alerts.rules import programs
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.local.processes import ProcessStatus
from market_pipeline.supervision.servers import CassandraStatus, KafkaStatus
from market_pipeline_tests.unit.alerts.rules.test_rules import RUNNING, WELL


def down(name: str, process: ProcessStatus) -> Signal:
    look = replace(WELL, snapshot=replace(WELL.snapshot, processes={name: process}))
    supervisor, signal = programs.judge_down(look)
    assert supervisor.verdict is Verdict.FINE
    return signal


@pytest.mark.parametrize(
    ("process", "verdict"),
    [
        (RUNNING, Verdict.FINE),
        (replace(RUNNING, state="STOPPED", pid=None), Verdict.FINE),  # on purpose
        (replace(RUNNING, state="EXITED", pid=None, last_error="exit status 0 at 10:00"), Verdict.FINE),  # a replay
        (replace(RUNNING, state="EXITED", pid=None, last_error="exit status 77 at 10:00"), Verdict.FAULT),
        (replace(RUNNING, state="FATAL", pid=None, last_error="gave up"), Verdict.FAULT),
        (replace(RUNNING, state="BACKOFF", pid=None), Verdict.FAULT),
        (replace(RUNNING, state="STARTING", uptime_s=1.0), Verdict.UNKNOWN),
        (replace(RUNNING, restarts=2, uptime_s=5.0), Verdict.FINE),  # it died, and is back
        (replace(RUNNING, restarts=3, uptime_s=5.0), Verdict.FAULT),
        (replace(RUNNING, restarts=30, uptime_s=60.0), Verdict.FINE),
        (replace(RUNNING, state="STARTING", restarts=4, uptime_s=1.0), Verdict.FAULT),
        (replace(RUNNING, state="DOWN", pid=None), Verdict.FAULT),
    ],
)
def test_what_the_supervisors_word_means(process: ProcessStatus, verdict: Verdict) -> None:
    assert down("stream", process).verdict is verdict


def test_without_the_supervisor_what_ends_stays_down_unless_the_platform_keeps_it() -> None:
    gone = replace(WELL, snapshot=replace(WELL.snapshot, supervisor=None))
    (signal,) = programs.judge_down(gone)
    assert (signal.subject, signal.verdict) == ("supervisord", Verdict.FAULT)
    assert list(programs.judge_down(replace(gone, supervised=False))) == []


def test_dagsters_programs_are_less_urgent_than_the_path_of_the_trades() -> None:
    fatal = replace(RUNNING, state="FATAL", pid=None)
    assert down("dagster-webserver", fatal).severity is Severity.P3
    assert down("producer", fatal).severity is None


@pytest.mark.parametrize(
    ("process", "verdict"),
    [
        (RUNNING, Verdict.FINE),
        (replace(RUNNING, beat_age_s=15.0), Verdict.FINE),
        (replace(RUNNING, beat_age_s=15.5), Verdict.FAULT),
        (replace(RUNNING, asleep=True), Verdict.FAULT),
        (replace(RUNNING, beat_age_s=None), Verdict.FINE),  # a server: rules of their own ask it
        (replace(RUNNING, beat_age_s=None, asleep=True), Verdict.FAULT),
        (replace(RUNNING, beat_age_s=500.0, uptime_s=10.0), Verdict.FINE),  # the beat is of the process before
    ],
)
def test_who_runs_and_says_nothing_hangs(process: ProcessStatus, verdict: Verdict) -> None:
    (signal,) = programs.judge_hung(replace(WELL, snapshot=replace(WELL.snapshot, processes={"stream": process})))
    assert (signal.verdict, signal.subject) == (verdict, "stream")


@pytest.mark.parametrize(("state", "mendable"), [("FATAL", True), ("BACKOFF", False), ("EXITED", False)])
def test_only_what_was_given_up_is_started_by_a_remedy(state: str, mendable: bool) -> None:
    """The supervisor still tries what is in its hands; what was refused (exit 77) no new start can mend."""
    signal = down("producer", replace(RUNNING, state=state, pid=None, last_error="exit status 77 at 10:00"))
    assert (signal.verdict, signal.mendable) == (Verdict.FAULT, mendable)
    assert programs.DOWN.heals


@pytest.mark.parametrize("rule", ["kafka-down", "cassandra-down"])
def test_a_server_that_is_not_ours_or_is_not_up_is_not_restarted_by_itself(rule: str) -> None:
    away = replace(WELL.snapshot, kafka=KafkaStatus(), cassandra=CassandraStatus())
    program = rule.partition("-")[0]
    for process, supervisor, mendable in (
        (RUNNING, 1, True),
        (replace(RUNNING, state="BACKOFF", pid=None), 1, False),
        (RUNNING, None, False),
    ):
        there = replace(away, processes={program: process}, supervisor=supervisor)
        (signal,) = [each for each in judge(replace(WELL, snapshot=there)) if each.rule == rule]
        assert (signal.verdict, signal.subject, signal.mendable) == (Verdict.FAULT, program, mendable)


def test_who_does_not_run_does_not_hang() -> None:
    look = replace(WELL, snapshot=replace(WELL.snapshot, processes={"kafka": replace(RUNNING, pid=None)}))
    assert list(programs.judge_hung(look)) == []


@pytest.mark.parametrize(("silent_s", "remedy"), [(6.0, False), (31.0, True)])
def test_a_stream_whose_jvm_does_not_respond_hangs_with_cause_and_impact(silent_s: float, remedy: bool) -> None:
    stream = replace(
        WELL.snapshot.stream, phase="unresponsive", lag=312, jvm_pid=43, jvm_silent_s=silent_s, jvm_doing="stopped"
    )  # fmt: skip
    look = replace(WELL, snapshot=replace(WELL.snapshot, stream=stream))
    (signal,) = [each for each in programs.judge_hung(look) if each.subject == "stream"]
    says = f"the stream's JVM (pid 43) has not responded for {silent_s:.0f} s: stopped; 312 trades wait"
    assert (signal.verdict, signal.text) == (Verdict.FAULT, says)
    assert signal.mendable is remedy  # it ends itself first: a remedy that comes between would restart it twice
    (stalled,) = [each for each in judge(look) if each.rule == "stream-stalled"]
    assert stalled.verdict is Verdict.UNKNOWN
