"""What is left of an incident that is over."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from market_pipeline.alerts.evidence import secrecy_of
from market_pipeline.alerts.ledger import Ledger, NoSuchIncident
from market_pipeline.alerts.outcomes import Outcome, Outcomes
from market_pipeline.alerts.program_ends import ProgramEnds, keep_program_ends
from market_pipeline.alerts.requests import Requests
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.routine.digest import digest, tell_digest
from market_pipeline.routine.incident_report import incident_report
from market_pipeline.routine.report import Finding, Report
from market_pipeline.settings import Settings

T0 = datetime(2026, 11, 25, 10, tzinfo=UTC).timestamp()
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path, refusing_port: int) -> Settings:
    """With nothing that answers."""
    return Settings.load(
        data_dir=tmp_path / "data",
        kafka_bootstrap_servers=f"127.0.0.1:{refusing_port}",
        cassandra_contact_points="127.0.0.1",
        cassandra_port=refusing_port,
    )


def over(settings: Settings) -> str:
    """An incident that was healed by itself, then by a person's request, and taken on late."""
    ledger = Ledger(settings.paths.incidents)
    bad = Signal("program-hung", "stream", Verdict.FAULT, "silent | for 30 s", evidence={"pid": 7})
    ledger.judge([bad], RULES, T0)
    ledger.attempts(RULES, T0 + 1)
    (incident,) = ledger.not_over()
    Requests(settings.paths.incidents).ask(incident.id, "stream", "restart_program", "ann", T0 + 60)
    done = "stream: pid 7 (it hung and was killed) → 9"
    Outcomes(settings.paths.incidents).keep(Outcome(incident.id, "1a2b3c4d-5e6f", T0 + 1_190, True, done))
    ledger.judge([bad], RULES, T0 + 16 * 60)  # escalated after 15 min
    ledger.ack(incident.id, "ann", T0 + 17 * 60)
    for after in (20 * 60, 20 * 60 + 31):
        ledger.judge([Signal("program-hung", "stream", Verdict.FINE)], RULES, T0 + after)
    return incident.id


def test_it_tells_the_course_the_cause_the_cure_and_the_times(settings: Settings) -> None:
    report = incident_report(settings, over(settings), NOW)
    found = {box: finding for box, (_, finding) in report.findings.items()}
    assert [row["what"] for row in found["course"].rows] == [
        "opened", "remedy", "remedy", "escalated", "acked", "remedy", "resolved",
    ]  # fmt: skip
    assert found["cause"].rows == [{"evidence": "pid", "value": "7"}]
    assert found["healed"].text == "ended by run 1a2b3c4d (stream: pid 7 (it hung and was killed) → 9)"
    assert found["times"].fine is False
    assert "taken on after 0:17:00 (wanted within 0:15:00); bad for 0:20:00; escalated 1 times" in found["times"].text
    # of what does not answer the report says so, and the rest is there
    assert found["trades"].fine is None
    assert found["unheard"].fine is None
    assert "silent \\| for 30 s" in report.markdown()


def test_it_tells_the_worst_moment_and_that_the_stream_stalled_and_ended_itself(settings: Settings) -> None:
    ledger = Ledger(settings.paths.incidents)
    looks = [
        (0, Verdict.FAULT, "5 trades wait", 5.0, {"connected": "yes"}),
        (30, Verdict.FAULT, "900 trades wait", 900.0, {"connected": "no"}),
        (60, Verdict.FAULT, "1 trade waits", 1.0, {"connected": "yes, again"}),
        (70, Verdict.FINE, "", None, {}),
        (110, Verdict.FINE, "", None, {}),
    ]
    settings.paths.logs.mkdir(parents=True)
    lines = [
        f"{datetime.fromtimestamp(T0 + after).astimezone():%Y-%m-%d %H:%M:%S},123 WARN exited: {name} ({how}; x)"
        for after, name, how in (
            (-30, "dagster-daemon", "terminated by SIGKILL"),
            (35, "producer", "terminated by SIGKILL"),
            (40, "stream", "exit status 70"),
        )
    ]
    settings.paths.log("supervisord").write_text("\n".join(lines) + "\n")
    settings.paths.run.mkdir()
    settings.paths.last_end("stream").write_text(json.dumps({"at": T0 + 38, "why": "900 records wait"}))
    for after, verdict, text, value, evidence in looks:
        keep_program_ends(settings, secrecy_of(settings), T0 + 100)  # each round reads the whole log
        ledger.judge([Signal("program-hung", "stream", verdict, text, value, evidence=evidence)], RULES, T0 + after)
    report = incident_report(settings, "program-hung", NOW)
    found = {box: finding for box, (_, finding) in report.findings.items()}
    assert found["cause"].text == "900 trades wait (2026-11-25 10:00:30 UTC)"
    ended = "exit status 70 (it stalled and ended itself, to be started again): 900 records wait"
    assert [(row["evidence"], row["value"]) for row in found["cause"].rows] == [
        ("connected", "no"),
        ("stream ended", f"2026-11-25 10:00:40 UTC: {ended}"),
    ]
    assert [(row["what"], row["seen"]) for row in found["course"].rows if row["what"] == "ended"] == [("ended", ended)]
    assert found["healed"].text == f"ended by the supervisor, which restarted stream: {ended}"


def test_of_one_that_needs_nobody_it_says_so_of_the_incident_and_not_of_the_pipeline(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("trades", "unheard"):  # Kafka and Cassandra are away
        monkeypatch.setattr(f"market_pipeline.routine.incident_report.{name}", lambda *_: Finding(True, "none"))
    ledger = Ledger(settings.paths.incidents)
    for after, verdict in ((0, Verdict.FAULT), (30, Verdict.FINE), (61, Verdict.FINE)):
        ledger.judge([Signal("program-hung", "stream", verdict)], RULES, T0 + after)
    report = incident_report(settings, "program-hung", NOW)
    assert report.attention == []
    assert report.verdict == "it is over, and there is nothing left to do about it"


def test_of_one_that_is_not_over_it_says_so(settings: Settings) -> None:
    Ledger(settings.paths.incidents).judge([Signal("program-hung", "stream", Verdict.FAULT)], RULES, T0)
    found = {box: each for box, (_, each) in incident_report(settings, "program-hung", NOW).findings.items()}
    assert found["healed"].text == "it is not over"
    assert found["times"].fine is False
    assert found["times"].text == "nobody has taken it on after 2:00:00 (wanted within 0:15:00); bad for 2:00:00"


def test_of_what_there_is_not_there_is_no_report(settings: Settings) -> None:
    over(settings)
    with pytest.raises(NoSuchIncident):
        incident_report(settings, "kafka-down", NOW)


def test_a_digest_is_a_line_for_each_box(settings: Settings) -> None:
    report = incident_report(settings, over(settings), NOW)
    told = digest(report)
    assert told.splitlines()[0].startswith("❌ P1 A program runs and does not respond")
    assert len(told.splitlines()) == 1 + len(report.findings)
    assert digest(Report("Daily checks", NOW)) == "✅ Daily checks: all is well"
    assert not tell_digest(settings, "daily/2026-11-25", report)  # no Slack


def test_an_end_that_the_supervisor_sees_later_or_forgets_is_one(settings: Settings) -> None:
    """A program says why before it ends, and a log of the supervisor's is rotated away."""
    for folder in (settings.paths.logs, settings.paths.run):
        folder.mkdir(parents=True)
    settings.paths.last_end("stream").write_text(json.dumps({"at": T0, "why": "900 records wait"}))
    log = settings.paths.log("supervisord")
    line = (
        f"{datetime.fromtimestamp(T0 + 2).astimezone():%Y-%m-%d %H:%M:%S},123 WARN exited: stream (exit status 70; x)"
    )
    for after, text in ((1, ""), (3, f"{line}\n"), (40, ""), (70, "")):
        log.write_text(text)
        keep_program_ends(settings, secrecy_of(settings), T0 + after)
    (end,) = ProgramEnds(settings.paths.incidents).between(T0 - 100, T0 + 100)
    assert (end.at, end.how.endswith("ended itself, to be started again): 900 records wait")) == (T0 + 2, True)


def test_an_end_that_no_supervisor_sees_is_kept_with_its_reason(settings: Settings) -> None:
    settings.paths.run.mkdir(parents=True)
    settings.paths.last_end("stream").write_text(json.dumps({"at": T0, "why": "900 records wait"}))
    for after in (1, 30, 60):
        keep_program_ends(settings, secrecy_of(settings), T0 + after)
    (end,) = ProgramEnds(settings.paths.incidents).between(T0 - 100, T0 + 100)
    assert (end.at, end.how) == (T0, "900 records wait")
