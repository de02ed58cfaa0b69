"""The buttons: who is shown which, whose signature counts, and that a press again changes nothing."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dagster import validate_run_config

from market_pipeline.alerts.answers import SILENT_FOR_S, Answer, answer
from market_pipeline.alerts.button_key import button_key
from market_pipeline.alerts.buttons import VALUE_LIMIT, Action, Press, Signer, buttons, press
from market_pipeline.alerts.cures import NEEDS_NO_ANSWER, RESTART_PROGRAM
from market_pipeline.alerts.incident import Incident, State
from market_pipeline.alerts.ledger import Ledger
from market_pipeline.alerts.outbox import Thread
from market_pipeline.alerts.permission import VALID_FOR_S, why_not
from market_pipeline.alerts.requests import AGAIN_AFTER_S, GIVEN_FOR_S, TOO_OLD_S, Requests
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.alerts.silences import Silences
from market_pipeline.definitions import defs
from market_pipeline_tests.slack_server import TEAM, pressed

SECRET = b"xoxb-secret"
T0 = 1_800_000_000.0
HUNG = Incident("program-hung/stream/7", "program-hung", "stream", Severity.P1, State.OPEN, T0, opened_at=T0)
MESSAGE = {"ts": "1.2", "channel": "C0"}


def shown(incident: Incident) -> dict[str, dict[str, Any]]:
    block = buttons(incident, RULES.get(incident.rule), Signer(SECRET, "C0", T0))
    return {each["action_id"]: each for each in block["elements"]} if block is not None else {}


def test_a_button_for_each_thing_that_can_be_done() -> None:
    assert list(shown(HUNG)) == ["ack", "silence", "run"]
    assert "restart_program of stream" in shown(HUNG)["run"]["confirm"]["text"]["text"]
    assert list(shown(replace(HUNG, state=State.ACKED))) == ["silence", "run"]
    assert list(shown(replace(HUNG, mendable=False))) == ["ack", "silence"]
    assert shown(replace(HUNG, state=State.RESOLVED)) == {}
    assert all(len(each["value"]) <= VALUE_LIMIT for each in shown(HUNG).values())


def test_every_remedy_with_a_button_is_one_of_a_rule_and_needs_no_answers() -> None:
    """Each of them is offered by some rule, and is a job that starts without a configuration, but for whose it is."""
    assert set(NEEDS_NO_ANSWER) <= {rule.remedy for rule in RULES.values()}
    loaded = defs()
    for name in NEEDS_NO_ANSWER:
        which = {"program": "stream", "incident": HUNG.id}
        config = {"ops": {f"{name}_now": {"config": which}}} if name == RESTART_PROGRAM else {}
        assert validate_run_config(loaded.resolve_job_def(name), config)
    assert "reset_stream" not in NEEDS_NO_ANSWER


def test_a_press_of_ours_is_known_and_any_other_is_not() -> None:
    button = shown(HUNG)["ack"]
    action = {"action_id": "ack", "value": button["value"]}
    assert press(pressed(MESSAGE, action, "ann"), SECRET) == Press(
        *(Action.ACK, HUNG.id, "ann", "C0", "1.2"), *("U0000000ANN", TEAM, TEAM), T0
    )
    incident, signed_at, signature = button["value"].split("|")
    for forged in (
        action | {"action_id": "run"},  # the signature is of another button
        action | {"value": f"{incident}0|{signed_at}|{signature}"},
        action | {"value": f"{incident}|{float(signed_at) + 60:.0f}|{signature}"},
        action | {"value": f"{incident}|{signed_at}|ü"},
        action | {"value": "\ud800"},
        action | {"value": incident},
        action | {"action_id": "delete"},
        {},
    ):
        assert press(pressed(MESSAGE, forged, "eve"), SECRET) is None
    assert press(pressed(MESSAGE | {"channel": "C1"}, action, "ann"), SECRET) is None  # copied to another channel
    assert press(pressed(MESSAGE, action, "ann"), b"another data dir") is None
    assert press({"type": "view_submission"}, SECRET) is None


EVERYBODY: dict[Action, tuple[str, ...]] = dict.fromkeys(Action, ())


def test_who_may_press_what_from_where_and_how_long() -> None:
    mine = Press(Action.RUN, HUNG.id, "ann", "C0", "1.2", "U1", TEAM, TEAM, T0)
    thread = Thread("C0", "1.2")
    assert why_not(mine, thread, TEAM, EVERYBODY, T0 + 60) == ""
    assert why_not(mine, thread, TEAM, EVERYBODY | {Action.RUN: ("U1",)}, T0 + 60) == ""
    assert "SLACK_RUN_USERS" in why_not(mine, thread, TEAM, EVERYBODY | {Action.RUN: ("U2",)}, T0 + 60)
    assert why_not(mine, thread, TEAM, EVERYBODY | {Action.ACK: ("U2",)}, T0 + 60) == ""
    assert "not of this workspace" in why_not(replace(mine, home="T2"), thread, TEAM, EVERYBODY, T0)
    assert "not of this workspace" in why_not(replace(mine, team="T2"), thread, TEAM, EVERYBODY, T0)
    for elsewhere in (None, Thread("C0", None), Thread("C0", "1.3"), Thread("C1", "1.2")):
        assert "not the incident's message" in why_not(mine, elsewhere, TEAM, EVERYBODY, T0)
    assert "has expired" in why_not(mine, thread, TEAM, EVERYBODY, T0 + VALID_FOR_S + 1)
    assert "has expired" in why_not(mine, thread, TEAM, EVERYBODY, T0 - 61)


def test_the_key_is_random_kept_and_for_the_owner_alone(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        (key,) = set(pool.map(lambda _: button_key(tmp_path / "a" / "buttons.key"), range(16)))
    assert len(key) == 32
    assert (tmp_path / "a" / "buttons.key").stat().st_mode & 0o777 == 0o600
    assert [each.name for each in (tmp_path / "a").iterdir()] == ["buttons.key"]
    assert button_key(tmp_path / "b" / "buttons.key") != key


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "incidents.db"
    Ledger(path).judge([Signal("program-hung", "stream", Verdict.FAULT, "silent for 30 s")], RULES, T0)
    return path


def ask(file: Path, action: Action, by: str, after_s: float = 1.0) -> Answer:
    (incident,) = Ledger(file).since(0)
    return answer(Press(action, incident.id, by, "C0", "1.2"), RULES, file, T0 + after_s)


def test_taken_on_once(file: Path) -> None:
    assert ask(file, Action.ACK, "ann") == (True, "")
    assert ask(file, Action.ACK, "bob") == (False, "ann has it already")
    assert [each.change for each in Ledger(file).show("program-hung")[1]] == ["opened", "acked"]


def test_silenced_once(file: Path) -> None:
    assert ask(file, Action.SILENCE, "ann") == (True, "ann silenced program-hung of stream for an hour")
    assert ask(file, Action.SILENCE, "bob") == (False, "ann has silenced it already")
    (silence,) = Silences(file).not_over(T0 + 2).values()
    assert silence.ends_at == T0 + 1 + SILENT_FOR_S


def test_asked_for_once_however_often_it_is_clicked(file: Path) -> None:
    requests = Requests(file)
    first = ask(file, Action.RUN, "ann")
    assert (first.done, first.said.partition(":")[0]) == (True, "ann asked for restart_program")
    assert ask(file, Action.RUN, "bob", 3.0) == (False, "ann asked for restart_program 2 s ago: it runs once")
    (taken,) = requests.take(T0 + 5)
    assert (taken.subject, taken.remedy, taken.by) == ("stream", "restart_program", "ann")
    assert requests.take(T0 + 6) == [taken]  # the tick that had it may have failed; Dagster makes one run of it
    assert requests.take(T0 + 5 + GIVEN_FOR_S) == []
    assert ask(file, Action.RUN, "bob", 20.0).done is False
    assert (
        ask(file, Action.RUN, "bob", 0.5).done is False
    )  # at once, and the later of the two was the first in the file
    assert ask(file, Action.RUN, "bob", -60.0).done is True  # the clock was set back: nobody has to wait for it
    assert ask(file, Action.RUN, "bob", AGAIN_AFTER_S + 2).done is True
    assert [each.key.rpartition("#")[2] for each in requests.of(taken.incident)] == ["asked-1", "asked-2", "asked-3"]


def test_a_wish_that_nobody_took_in_time_or_whose_incident_is_over_is_none_any_more(file: Path) -> None:
    requests = Requests(file)
    ask(file, Action.RUN, "ann")
    assert requests.take(T0 + 1 + TOO_OLD_S) == []
    ask(file, Action.RUN, "ann", 700.0)
    Ledger(file).resolve("program-hung", "ann", T0 + 701)
    assert requests.take(T0 + 702) == []


def test_of_what_is_over_nothing_is_done(file: Path) -> None:
    ledger = Ledger(file)
    ledger.resolve("program-hung", "ann", T0 + 1)
    for action in Action:
        assert "is over: nothing was done" in ask(file, action, "bob").said
    assert (Requests(file).take(T0 + 9), Silences(file).not_over(T0 + 2)) == ([], {})


def test_what_needs_answers_is_not_run_by_a_button(tmp_path: Path) -> None:
    file = tmp_path / "incidents.db"
    Ledger(file).judge([Signal("key", "finnhub", Verdict.FAULT, "refused")], RULES, T0)
    assert "no remedy" in ask(file, Action.RUN, "ann").said
