"""The rules on looks as a container has them: no supervisor, and outages of 70 and 90 seconds."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from market_pipeline.alerts import engine
from market_pipeline.alerts.engine import Board
from market_pipeline.alerts.incident import Change
from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rulebook import RULES, judge, judge_programs
from market_pipeline.alerts.rules import programs
from market_pipeline.alerts.signal import Verdict
from market_pipeline.local.processes import GONE, NOT_SEEN, ProcessStatus
from market_pipeline.supervision.servers import CassandraStatus
from market_pipeline_tests.unit.alerts.looks import BUSY, RUNNING, WELL

LOOK_EVERY_S = 30
AWAY = ProcessStatus(None, NOT_SEEN, None, 0, None, None, None)
SEEN = {"producer": RUNNING, "stream": RUNNING, "dagster-daemon": AWAY}
CONTAINER = replace(
    WELL, supervised=False, snapshot=replace(WELL.snapshot, supervisor=None, elsewhere=True, processes=SEEN)
)


def stream_killed(look: Look, for_s: float) -> Look:
    """The platform starts it anew at once, and it takes its time; 50 trades a second come meanwhile."""
    stream = replace(
        look.snapshot.stream, phase="starting", lag=None, newest_event_age_s=for_s, last_progress_age_s=None
    )  # fmt: skip
    processes = SEEN | {"stream": replace(RUNNING, uptime_s=for_s)}
    snapshot = replace(look.snapshot, stream=stream, processes=processes)
    return replace(look, unread=int(50 * for_s), delays_s=(), snapshot=snapshot)


def cassandra_killed(look: Look, for_s: float) -> Look:
    return replace(look, delays_s=None, snapshot=replace(look.snapshot, cassandra=CassandraStatus()))


def opened(broken: Callable[[Look, float], Look], outage_s: float, first_look_s: float) -> Iterator[str]:
    """The rules of which somebody is notified, with the first look so long after the outage began."""
    board, at = Board(), first_look_s
    while at < outage_s:
        now = BUSY + at
        look = broken(replace(CONTAINER, now=now), at)
        step = engine.step(board, [*judge(look), *judge_programs(look)], RULES, (), now)
        board = step.board
        told = [each for each in step.transitions if each.change is Change.OPENED and not each.withheld]
        yield from (each.incident.rule for each in told)
        at += LOOK_EVERY_S


@pytest.mark.parametrize("first_look_s", [1, 9, 15, 29])
def test_a_stream_that_is_away_for_seventy_seconds_is_an_incident(first_look_s: float) -> None:
    assert list(opened(stream_killed, 72.0, first_look_s)) == ["high-latency"]


@pytest.mark.parametrize("first_look_s", [1, 9, 15, 29])
def test_a_cassandra_that_is_away_for_ninety_seconds_is_an_incident(first_look_s: float) -> None:
    assert "cassandra-down" in list(opened(cassandra_killed, 90.0, first_look_s))


@pytest.mark.parametrize("first_look_s", [1, 15, 29])
def test_a_restart_of_twenty_seconds_is_none(first_look_s: float) -> None:
    assert list(opened(stream_killed, 20.0, first_look_s)) == []


def test_a_service_that_was_stopped_on_purpose_is_no_fault() -> None:
    stopped = replace(RUNNING, pid=None, state="STOPPED", beat_age_s=400.0)
    look = replace(CONTAINER, snapshot=replace(CONTAINER.snapshot, processes=SEEN | {"producer": stopped}))
    found = {each.subject: (each.verdict, each.text) for each in programs.judge_down(look)}
    assert found["producer"] == (Verdict.FINE, "producer was stopped on purpose")


def test_a_service_that_is_gone_is_a_fault_and_what_is_not_seen_says_nothing() -> None:
    gone = replace(RUNNING, pid=None, state=GONE, beat_age_s=40.0)
    look = replace(CONTAINER, snapshot=replace(CONTAINER.snapshot, processes=SEEN | {"stream": gone}))
    found = {each.subject: (each.verdict, each.mendable) for each in programs.judge_down(look)}
    assert found == {"producer": (Verdict.FINE, False), "stream": (Verdict.FAULT, False)}
    assert found == {
        each.subject: (each.verdict, each.mendable) for each in programs.judge_down(replace(look, feed="replay"))
    }
