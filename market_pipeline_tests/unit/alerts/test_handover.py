"""What a stop of the pipeline ends of its incidents, and what the next start inherits."""

from pathlib import Path

import pytest

from market_pipeline.alerts import engine
from market_pipeline.alerts.course import course
from market_pipeline.alerts.handover import end_of_stop, inherited
from market_pipeline.alerts.incident import Change, State
from market_pipeline.alerts.ledger import Ledger
from market_pipeline.alerts.outbox import Outbox
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.settings import Settings
from market_pipeline.supervision.lock import ProcessLock

NOW = 1_800_000_000.0
HOUR = 3_600.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings.load(data_dir=tmp_path / "data")
    signals = [
        Signal("consumer-lag", "stream", Verdict.FAULT, "lag 13,273 records"),
        Signal("failed-run", "archive", Verdict.FAULT, "run 123 failed"),
    ]
    for at in (NOW, NOW + 60):
        Ledger(settings.paths.incidents).judge(signals, RULES, at)
    return settings


def test_a_stop_ends_what_only_a_running_pipeline_can_evaluate_and_says_so(settings: Settings) -> None:
    ledger = Ledger(settings.paths.incidents)
    (over,) = end_of_stop(settings, NOW + HOUR)
    shown, history = ledger.show(over.id)
    assert (shown.rule, shown.state) == ("consumer-lag", State.RESOLVED)
    assert shown.resolved_by == engine.BY_THE_STOP
    assert [each.change for each in history] == [Change.OPENED, Change.RESOLVED]
    assert [each.rule for each in ledger.not_over()] == ["failed-run"]
    assert end_of_stop(settings, NOW + HOUR) == []


def test_what_another_platform_keeps_was_not_stopped(settings: Settings) -> None:
    with ProcessLock(settings.paths.lock("stream")):
        assert end_of_stop(settings, NOW + HOUR) == []


def test_a_start_reports_what_it_inherits_and_nobody_is_notified_again(settings: Settings) -> None:
    ledger, outbox = Ledger(settings.paths.incidents), Outbox(settings.paths.incidents)
    due = sum(len(each.lines) for each in outbox.due())
    lines = inherited(settings, NOW + 60 + 3 * HOUR)
    assert lines == [
        "P2 consumer-lag/stream, open for 3 h, last evaluated 3 h ago: lag 13,273 records",
        "P3 failed-run/archive, open for 3 h, last evaluated 3 h ago: run 123 failed",
    ]
    found, history = ledger.show("consumer-lag")
    last = course(settings.paths.incidents, found, history)[-1]
    assert last.sentence == "inherited by a new start of the pipeline: lag 13,273 records"
    assert sum(len(each.lines) for each in outbox.due()) == due
    assert found.state is State.OPEN


def test_a_pipeline_without_incidents_inherits_nothing_and_makes_no_file(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path / "data")
    assert inherited(settings, NOW) == []
    assert end_of_stop(settings, NOW) == []
    assert not settings.paths.incidents.exists()
