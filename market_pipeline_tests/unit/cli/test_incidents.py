"""``incidents`` as a person at night types it."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from market_pipeline.alerts.ledger import Ledger
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.cli import main
from market_pipeline.settings import Settings

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("MARKET_PIPELINE_DATA_DIR", str(tmp_path / "data"))
    return lambda *arguments: CliRunner().invoke(main, ["incidents", *arguments])


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(Settings.load(data_dir=tmp_path / "data").paths.incidents)


def full(ledger: Ledger, verdict: Verdict = Verdict.FAULT, *, later_s: float = 0.0) -> str:
    signal = Signal("cassandra-disk", "cassandra", verdict, "85 % used", 85.0, evidence={"tables_mb": {"silver": 7.5}})
    transitions = ledger.judge([signal], RULES, time.time() + later_s)
    return transitions[0].incident.id if transitions else ""


def test_nothing_is_made_where_nothing_was_judged(run: Run, tmp_path: Path) -> None:
    answer = run("list")
    assert answer.exit_code == 1
    assert answer.output.startswith("error: nothing was judged yet")
    assert not (tmp_path / "data").exists()


def test_an_incident_is_listed_shown_taken_on_and_ended(run: Run, ledger: Ledger) -> None:
    assert run("list").output.startswith("no incident\nwarning: nobody has judged yet: ")
    name = full(ledger)
    listed = run("list").output
    assert name in listed
    assert "P2" in listed
    assert "85 % used" in listed
    (told,) = json.loads(run("list", "--json").output)
    assert (told["id"], told["state"], told["severity"]) == (name, "open", "P2")

    assert "is taken on" in run("ack", "cassandra", "--by", "ann").output
    again = run("ack", "cassandra", "--by", "bob")
    assert again.exit_code == 1
    assert again.output.startswith(f"error: nothing to do: {name} is acked by ann")
    assert "acked by ann" in run("list").output

    shown = run("show", "cassandra").output
    assert "runbook: Common Alerts 4: Cassandra Out of Disk" in shown
    assert 'tables_mb: {"silver": 7.5}' in shown
    assert "opened for team lead: 85 % used" in shown
    assert "acked by ann: 85 % used" in shown
    assert "Slack is not set up" in shown
    assert "first seen 20" in shown
    history = json.loads(run("show", name, "--json").output)["history"]
    assert [each["change"] for each in history] == ["opened", "acked"]

    assert "is ended" in run("resolve", "cassandra", "--by", "ann").output
    assert re.fullmatch(r"no incident\njudged \d+ s ago\n", run("list").output)
    assert name in run("list", "--all").output
    over = run("show", name).output
    assert "P2, resolved; last seen: 85 % used" in over
    assert "lasted 0:00:0" in over
    assert "ended by ann" in over
    assert "resolved; last seen: 85 % used" in over.splitlines()[-1]


def test_an_old_verdict_is_none(run: Run, ledger: Ledger) -> None:
    full(ledger, Verdict.FINE, later_s=-3_600.0)
    said = run("list").output
    assert "warning: nobody has judged since 20" in said
    assert "sensor `alerts`" in said


def test_an_incident_that_seems_over_says_so(run: Run, ledger: Ledger) -> None:
    full(ledger)
    full(ledger, Verdict.FINE)
    assert "open, well since 20" in run("show", "cassandra").output


def test_an_unknown_incident_is_one_line_with_the_cure(run: Run, ledger: Ledger) -> None:
    for command in ("show", "ack", "resolve"):
        answer = run(command, "nothing")
        assert (answer.exit_code, len(answer.output.splitlines())) == (1, 1)
        assert "`market-pipeline incidents list --all`" in answer.output


def test_a_silence_keeps_the_incident_and_says_why_nobody_was_told(run: Run, ledger: Ledger) -> None:
    answer = run("silence", "cassandra-*", "--for", "2h", "--reason", "new disk [on its way]", "--by", "ann")
    assert answer.exit_code == 0, answer.output
    full(ledger, later_s=1.0)
    assert "open, kept back" in run("list").output
    assert "nobody is told (silenced by ann: new disk [on its way])" in run("show", "cassandra").output
    assert "new disk [on its way]" in run("silences").output
    (told,) = json.loads(run("silences", "--json").output)
    assert (told["number"], told["rule"], told["author"]) == (1, "cassandra-*", "ann")
    assert "the silence of cassandra-* (subject *), by ann, is ended" in run("unsilence", "1").output
    assert run("silences").output == "no silence: whatever is found is told\n"
    again = run("unsilence", "1")
    assert again.exit_code == 1
    assert "`market-pipeline incidents silences`" in again.output


def test_a_silence_of_a_rule_that_there_is_not_is_refused(run: Run) -> None:
    answer = run("silence", "kafka-dwon", "--for", "1h", "--reason", "x")
    assert answer.exit_code == 1
    assert "there is no rule 'kafka-dwon'; there are zero-trades" in answer.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--for", "2 weeks", "--reason", "x"), "is no duration: write 30m, 2h or 1d"),
        (("--for", "0h", "--reason", "x"), "is no duration"),
        (("--for", "2h", "--reason", " "), "a silence needs an author and a reason"),
        (("--for", "2h"), "missing option '--reason'"),
    ],
)
def test_a_silence_without_an_end_or_a_reason_is_refused(run: Run, arguments: tuple[str, ...], says: str) -> None:
    answer = run("silence", "*", *arguments)
    assert answer.exit_code in (1, 2)
    assert len(answer.output.splitlines()) == 1
    assert says in answer.output


def test_a_maintenance_window_begins_later(run: Run, ledger: Ledger) -> None:
    answer = run("silence", "*", "--from", "2099-01-01T02:00:00", "--for", "30m", "--reason", "moving")
    assert "from 2099-01-01 02:00:00 to 2099-01-01 02:30:00 UTC" in answer.output
    assert full(ledger)
    assert "kept back" not in run("list").output


def test_what_was_tried_by_itself_is_part_of_the_story(run: Run, ledger: Ledger) -> None:
    hung = Signal("program-hung", "stream", Verdict.FAULT, "stream (pid 7) last said something 30 s ago")
    ledger.judge([hung], RULES, time.time())
    (attempt,) = ledger.attempts(RULES, time.time())
    assert attempt.remedy == "restart_program"
    shown = run("show", "program-hung").output
    assert re.search(
        r"remedy: market-pipeline restart stream --data-dir \S+ \(Dagster's job restart_program does it", shown
    )
    assert "Dagster was asked for a run of restart_program" in shown.splitlines()[-1]


def test_a_rule_that_found_nothing_is_no_error(run: Run, ledger: Ledger) -> None:
    full(ledger, Verdict.FINE)
    shown = run("show", "kafka-down")
    assert shown.exit_code == 0
    assert shown.output.startswith("kafka-down (Kafka does not answer, or has partitions")
    assert "): no incident\njudged " in shown.output
    assert json.loads(run("show", "kafka-down", "--json").output) is None


def test_several_incidents_of_a_rule_are_not_none(run: Run, ledger: Ledger) -> None:
    down = [Signal("program-down", name, Verdict.FAULT, f"{name} was given up") for name in ("stream", "producer")]
    for ago_s in (60.0, 0.0):
        ledger.judge(down, RULES, time.time() - ago_s)
    answer = run("show", "program-down")
    assert answer.exit_code == 1
    assert "2 incidents begin with program-down" in answer.output
    assert "give the whole id" in answer.output


def test_of_several_of_one_subject_the_newest_is_meant(run: Run, ledger: Ledger) -> None:
    for number in range(3):
        full(ledger, later_s=100.0 * number)
        run("resolve", "cassandra-disk")
    newest = max(json.loads(run("list", "--all", "--json").output), key=lambda each: each["since"])
    assert run("show", "cassandra-disk/cassandra").output.startswith(newest["id"])


def test_what_can_not_be_told_stands_beside_what_is_well(run: Run, ledger: Ledger) -> None:
    full(ledger, Verdict.UNKNOWN)
    assert run("list").output.splitlines()[2:] == ["  cassandra-disk can't be told: 85 % used"]


def test_of_what_is_ended_while_it_is_wrong_a_new_incident_is_announced(run: Run, ledger: Ledger) -> None:
    full(ledger)
    assert "no look has found it well yet" in run("resolve", "cassandra").output
    full(ledger, later_s=1.0)
    full(ledger, Verdict.FINE, later_s=2.0)
    assert "no look" not in run("resolve", "cassandra-disk").output


def test_a_log_is_shown_below_its_name(run: Run, ledger: Ledger) -> None:
    hung = Signal("program-hung", "stream", Verdict.FAULT, "silent", evidence={"the end of its log": "one\ntwo"})
    ledger.judge([hung], RULES, time.time())
    assert "\n  the end of its log: \n    one\n    two\n" in run("show", "program-hung").output


def test_who_silences_much_or_for_long_is_warned(run: Run, ledger: Ledger) -> None:
    assert "warning" not in run("silence", "kafka-down", "--for", "2h", "--reason", "x").output
    assert "warning: that is every rule" in run("silence", "*", "--for", "2h", "--reason", "x").output
    assert "warning: for 90 days" in run("silence", "kafka-down", "--for", "90d", "--reason", "x").output
    for days in ("367d", "99999999d"):
        answer = run("silence", "kafka-down", "--for", days, "--reason", "x")
        assert (answer.exit_code, len(answer.output.splitlines())) == (1, 1)
        assert "a year at most" in answer.output
    answer = run("unsilence", "kafka-down")
    assert (answer.exit_code, len(answer.output.splitlines())) == (2, 1)
    assert "`market-pipeline incidents silences` has them" in answer.output


def test_a_remedy_that_can_not_be_run_is_told_with_what_can_be_done(run: Run, ledger: Ledger) -> None:
    name = full(ledger)
    assert f"`market-pipeline incidents show {name}`" in run("run", "cassandra").output
    run("resolve", "cassandra")
    assert f"{name} is over: nothing was done" in run("run", name).output


def test_what_is_well_again_lasted_until_then(run: Run, ledger: Ledger) -> None:
    full(ledger, later_s=-600.0)
    full(ledger, Verdict.FINE, later_s=-500.0)
    shown = run("show", "cassandra").output
    assert "lasted 0:01:40" in shown
    assert "last seen: 85 % used" in shown
    assert "0:01:40" in run("list").output
