"""The ledger in its file: what several judges and people do to it at once."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from market_pipeline.alerts import engine
from market_pipeline.alerts.course import course
from market_pipeline.alerts.cures import RESTART_PROGRAM
from market_pipeline.alerts.database import Database
from market_pipeline.alerts.incident import Change, State
from market_pipeline.alerts.ledger import PROGRAMS, Ledger, NoSuchIncident
from market_pipeline.alerts.outcomes import Outcome, Outcomes
from market_pipeline.alerts.program_ends import ProgramEnds
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.alerts.silence import Silence
from market_pipeline.alerts.silences import Silences
from market_pipeline.local.supervisor_log import End

LAG = Rule("lag-grows", "Lag grows", Severity.P2, "2", hold_s=120, clear_s=60)
DISK = Rule("disk-full", "The disk fills up", Severity.P2, "4", clear_s=60)
RULES = engine.check([LAG, DISK])
T0 = 1_800_000_000.0


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "data" / "incidents.sqlite")


def full(subject: str = "x", verdict: Verdict = Verdict.FAULT) -> Signal:
    return Signal("disk-full", subject, verdict, "91 % of the disk", 91.0, evidence={"tables": {"silver": 7}})


def test_what_is_judged_is_there_for_the_next_process(ledger: Ledger, tmp_path: Path) -> None:
    (opened,) = ledger.judge([full()], RULES, T0)
    again = Ledger(tmp_path / "data" / "incidents.sqlite")
    assert again.not_over() == [opened.incident]
    assert again.judge([full()], RULES, T0 + 1) == ()
    assert again.judge([full(verdict=Verdict.FINE)], RULES, T0 + 2) == ()
    (resolved,) = ledger.judge([full(verdict=Verdict.FINE)], RULES, T0 + 62)
    assert resolved.incident.id == opened.incident.id
    assert again.not_over() == []
    assert again.since(T0) == [resolved.incident]
    shown, history = again.show(opened.incident.id)
    assert shown == resolved.incident
    assert [(each.change, each.at, each.text) for each in history] == [
        (Change.OPENED, T0, "91 % of the disk"),
        (Change.RESOLVED, T0 + 62, "91 % of the disk"),
    ]


def test_what_can_not_be_told_is_kept_until_it_can(ledger: Ledger) -> None:
    ledger.judge([full(verdict=Verdict.UNKNOWN), Signal("lag-grows", "x", Verdict.FINE)], RULES, T0)
    assert ledger.unknown() == [("disk-full", "91 % of the disk")]
    ledger.judge([Signal("lag-grows", "x", Verdict.FINE)], RULES, T0 + 5, PROGRAMS)  # of the disk nobody asked
    assert ledger.unknown() == [("disk-full", "91 % of the disk")]
    assert ledger.judged_at() == T0
    ledger.judge([full(verdict=Verdict.FINE)], RULES, T0 + 30)
    assert ledger.unknown() == []
    ledger.judge([full("gone", Verdict.UNKNOWN)], RULES, T0 + 60)
    ledger.judge([full(verdict=Verdict.FINE)], RULES, T0 + 90)
    assert ledger.unknown() == []  # of what is not looked at any more nothing is unknown


def test_the_run_that_mended_it_ended_it(ledger: Ledger, tmp_path: Path) -> None:
    (opened,) = ledger.judge([full()], RULES, T0)
    outcomes = Outcomes(tmp_path / "data" / "incidents.sqlite")
    outcomes.keep(Outcome(opened.incident.id, "11112222-3333", T0 + 1, False, "no room"))
    outcomes.keep(Outcome(opened.incident.id, "aaaabbbb-cccc", T0 + 8, True, "4 MB freed"))
    outcomes.keep(Outcome(opened.incident.id, "aaaabbbb-cccc", T0 + 9, True, "stream: pid 7 → 9"))
    outcomes.keep(Outcome(opened.incident.id, "ddddeeee-ffff", T0 + 9, None, "it seems to be over"))
    for after in (10, 10 + DISK.clear_s):
        ledger.judge([full(verdict=Verdict.FINE)], RULES, T0 + after)
    found, history = ledger.show(opened.incident.id)
    assert found.resolved_by == "run aaaabbbb (4 MB freed; stream: pid 7 → 9)"
    assert [event.sentence for event in course(tmp_path / "data" / "incidents.sqlite", found, history)] == [
        "opened for team lead: 91 % of the disk",
        "run 11112222 failed (no room)",
        "run aaaabbbb (4 MB freed)",
        "run aaaabbbb (stream: pid 7 → 9)",
        "run ddddeeee (it seems to be over)",
        "resolved; last seen: 91 % of the disk",
    ]


def restarting(rule: str) -> dict[str, Rule]:
    return {rule: Rule(rule, "x", Severity.P1, runbook="x", clear_s=30, remedy=RESTART_PROGRAM)}


@pytest.mark.parametrize(
    ("rule", "end", "run_at", "by"),
    [
        (
            "hung",
            End("stream", T0 + 5, "exit status 70"),
            None,
            "the supervisor, which restarted stream: exit status 70",
        ),
        ("hung", End("stream", T0 + 5, "terminated by SIGKILL"), T0 + 9, "run 1a (restarted)"),
        ("hung", End("producer", T0 + 5, "exit status 70"), None, "itself"),
        ("hung", End("stream", T0 - 5, "exit status 70"), None, "itself"),
        # there the ends are what is wrong
        ("program-down", End("stream", T0 + 5, "exit status 1"), None, "itself"),
    ],
)
def test_a_service_that_ended_and_was_started_again_did_not_recover_by_itself(
    rule: str, end: End, run_at: float | None, by: str, ledger: Ledger, tmp_path: Path
) -> None:
    rules, file = restarting(rule), tmp_path / "data" / "incidents.sqlite"
    (opened,) = ledger.judge([Signal(rule, "stream", Verdict.FAULT)], rules, T0)
    ProgramEnds(file).keep([end], T0)
    if run_at is not None:
        Outcomes(file).keep(Outcome(opened.incident.id, "1a", run_at, True, "restarted"))
    for after in (10, 40):
        ledger.judge([Signal(rule, "stream", Verdict.FINE)], rules, T0 + after)
    found, _ = ledger.show(opened.incident.id)
    assert found.resolved_by == by


def test_a_run_that_failed_and_was_ended_by_somebody_is_one_incident(ledger: Ledger) -> None:
    first, second = (Signal("disk-full", "archive", Verdict.FAULT, evidence={"run": run}) for run in ("1a", "2b"))
    (opened,) = ledger.judge([first], RULES, T0)
    ledger.resolve(opened.incident.id, "ann", T0 + 1)
    assert ledger.judge([first], RULES, T0 + 30) == ()
    (again,) = ledger.judge([second], RULES, T0 + 60)
    assert again.change is Change.OPENED


def test_a_suspicion_that_was_none_leaves_no_trace(ledger: Ledger, tmp_path: Path) -> None:
    ledger.judge([Signal("lag-grows", "x", Verdict.FAULT)], RULES, T0)
    ledger.judge([Signal("lag-grows", "x", Verdict.FINE)], RULES, T0 + 1)
    with sqlite3.connect(tmp_path / "data" / "incidents.sqlite") as file:
        assert file.execute("SELECT count(*) FROM incident").fetchone() == (0,)


def test_daemons_that_judge_at_once_make_one_incident(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        steps = list(pool.map(lambda n: ledger.judge([full()], RULES, T0 + n / 1000), range(40)))
    assert [each.change for step in steps for each in step] == [Change.OPENED]
    assert len(ledger.since(0)) == 1


def test_an_ack_of_two_is_one(ledger: Ledger) -> None:
    (opened,) = ledger.judge([full()], RULES, T0)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda n: ledger.ack(opened.incident.id, f"person {n}", T0 + 1), range(16)))
    (one,) = [each for each in taken if each is not None]
    (incident,) = ledger.not_over()
    assert (incident.state, incident.acked_by) == (State.ACKED, one.incident.acked_by)
    assert ledger.judge([full()], RULES, T0 + 3_600) == ()


def test_a_silence_is_kept_with_its_reason_and_withheld_messages_with_theirs(ledger: Ledger, tmp_path: Path) -> None:
    silences = Silences(tmp_path / "data" / "incidents.sqlite")
    silence = Silence("disk-*", "*", "ann", "bigger disk on its way", T0 - 1, T0 + 600)
    silences.keep(silence)
    assert silences.not_over(T0) == {1: silence}
    assert silences.not_over(T0 + 600) == {}
    (opened,) = ledger.judge([full()], RULES, T0)
    _, history = ledger.show(opened.incident.id)
    assert [each.withheld for each in history] == ["silenced by ann: bigger disk on its way"]


def test_an_incident_is_found_by_the_beginning_of_its_id(ledger: Ledger) -> None:
    (first,) = ledger.judge([full()], RULES, T0)
    assert ledger.show("disk-full")[0].id == first.incident.id
    ended = ledger.resolve("disk-full", "ann", T0 + 1)
    assert ended is not None
    assert ended.incident.resolved_by == "ann"
    (second,) = ledger.judge([full()], RULES, T0 + 2)
    assert ledger.show("disk-full")[0].id == second.incident.id  # the other one is over
    ledger.judge([full("y")], RULES, T0 + 3)
    with pytest.raises(NoSuchIncident, match="3 incidents begin with disk-full"):
        ledger.show("disk-full")
    with pytest.raises(NoSuchIncident, match="incidents list"):
        ledger.ack("lag", "ann", T0)


@pytest.mark.parametrize("act", [Ledger.ack, Ledger.resolve])
def test_what_is_over_stays_over(ledger: Ledger, act: Callable[[Ledger, str, str, float], object]) -> None:
    ledger.judge([full()], RULES, T0)
    ledger.resolve("disk-full", "ann", T0 + 1)
    assert act(ledger, "disk-full", "bob", T0 + 2) is None
    assert ledger.show("disk-full")[0].resolved_by == "ann"


def test_a_clock_that_was_set_back_keeps_the_incident_and_its_name(ledger: Ledger) -> None:
    (opened,) = ledger.judge([full()], RULES, T0)
    assert ledger.judge([full()], RULES, T0 - 86_400) == ()
    (incident,) = ledger.not_over()
    assert (incident.id, incident.since) == (opened.incident.id, T0 - 86_400)


def test_a_lone_surrogate_is_stored_by_place_and_by_name(ledger: Ledger, tmp_path: Path) -> None:
    """SQLite refuses it, and a service's last words may hold one."""
    file = tmp_path / "data" / "incidents.sqlite"
    ProgramEnds(file).keep([End("stream", T0, "said \ud800")], T0)
    assert ProgramEnds(file).between(T0, T0) == [End("stream", T0, "said \\ud800")]
    with Database(file).changing() as connection:
        assert connection.execute("SELECT ?", ["\ud800"]).fetchone() == ("\\ud800",)
