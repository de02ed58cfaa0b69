"""When a remedy is tried by itself."""

from dataclasses import replace
from pathlib import Path

import pytest

from market_pipeline.alerts import engine
from market_pipeline.alerts.healing import AFTER_S, Attempt, due
from market_pipeline.alerts.incident import Incident, State
from market_pipeline.alerts.ledger import Ledger
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict

HUNG = Rule("program-hung", "hangs", Severity.P1, "", remedy="restart_program", heals=True)
FOR_PEOPLE = Rule("cassandra-disk", "full", Severity.P2, "", remedy="free_disk")
RULES = engine.check([HUNG, FOR_PEOPLE])
T0 = 1_800_000_000.0
OPEN = Incident("program-hung/stream/1", "program-hung", "stream", Severity.P1, State.OPEN, T0, opened_at=T0)


def numbers(incident: Incident, tried: list[float], now: float) -> list[int]:
    return [attempt.number for attempt in due([incident], RULES, {incident.id: tried}, now)]


def test_the_first_try_is_at_once_and_the_others_with_more_patience() -> None:
    assert numbers(OPEN, [], T0) == [1]
    assert numbers(OPEN, [T0], T0 + AFTER_S[1] - 1) == []
    assert numbers(OPEN, [T0], T0 + AFTER_S[1]) == [2]
    assert numbers(OPEN, [T0, T0 + 200], T0 + 200 + AFTER_S[2]) == [3]
    assert numbers(OPEN, [T0, T0 + 200, T0 + 900], T0 + 90_000) == []  # only people can help


@pytest.mark.parametrize(
    "incident",
    [
        replace(OPEN, state=State.PENDING, opened_at=None),
        replace(OPEN, state=State.ACKED, acked_by="ann"),
        replace(OPEN, clear_since=T0),
        replace(OPEN, mendable=False),
        replace(OPEN, rule="cassandra-disk"),
        replace(OPEN, rule="no-more"),
    ],
)
def test_what_is_no_fact_or_in_somebodys_hands_or_only_for_people_is_left_alone(incident: Incident) -> None:
    assert numbers(incident, [], T0) == []


def test_each_patience_begins_with_the_try_before() -> None:
    assert numbers(OPEN, [T0, T0 + 200], T0 + 200 + AFTER_S[2] - 1) == []


def test_what_is_left_alone_keeps_no_other_from_its_try() -> None:
    others = [
        replace(OPEN, id="a", rule="cassandra-disk"),
        replace(OPEN, id="b", clear_since=T0),
        replace(OPEN, id="c", state=State.ACKED),
        replace(OPEN, id="d"),
    ]
    tried = {"d": [T0] * len(AFTER_S)}
    assert [each.incident for each in due([*others, OPEN], RULES, tried, T0)] == [OPEN.id]


def test_a_clock_that_is_set_back_does_not_put_the_next_try_off(tmp_path: Path) -> None:
    """The tries move with it, as the incident's own times do."""
    ledger, an_hour, hangs = (
        Ledger(tmp_path / "ledger.sqlite"),
        3_600.0,
        Signal("program-hung", "stream", Verdict.FAULT),
    )
    ledger.judge([hangs], RULES, T0)
    assert [each.number for each in ledger.attempts(RULES, T0)] == [1]
    ledger.judge([hangs], RULES, T0 + 30 - an_hour)
    assert ledger.attempts(RULES, T0 + 30 - an_hour) == []
    ledger.judge([hangs], RULES, T0 + 30 - an_hour + AFTER_S[1])
    assert [each.number for each in ledger.attempts(RULES, T0 + 30 - an_hour + AFTER_S[1])] == [2]


def test_the_ledger_gives_each_try_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.judge([Signal("program-hung", "stream", Verdict.FAULT)], RULES, T0)
    (first,) = ledger.attempts(RULES, T0)
    assert first == Attempt(ledger.not_over()[0].id, 1, "restart_program", "stream")
    assert first.key == f"{first.incident}#1"
    assert ledger.attempts(RULES, T0 + 1) == []
    assert [each.number for each in ledger.attempts(RULES, T0 + AFTER_S[1])] == [2]
