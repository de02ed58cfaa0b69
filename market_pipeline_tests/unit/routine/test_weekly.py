"""What the weekly boxes make of what nodetool and the looks of a week tell."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from market_pipeline.alerts.history import DELAY, LAG, History
from market_pipeline.remedies.compaction import NodetoolFailed, NoRoom
from market_pipeline.routine import weekly
from market_pipeline.settings import Settings

NOW = datetime(2026, 11, 29, 5, tzinfo=UTC)
TABLE = {"space_used_live": 1_500_000, "sstable_count": 3, "average_tombstones_per_slice_last_five_minutes": "NaN"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(data_dir=tmp_path, feed="simulator")


def nodetool(monkeypatch: pytest.MonkeyPatch, *, tombstones: object, pending: int) -> None:
    table = TABLE | {"average_tombstones_per_slice_last_five_minutes": tombstones}
    answers = {
        "tablestats": json.dumps({"total_number_of_tables": 1, "market_data": {"tables": {"trades_silver": table}}}),
        "compactionstats": f"concurrent compactors: 2\npending tasks                    {pending}\n- market_data: 3\n",
    }
    monkeypatch.setattr(weekly, "run_nodetool", lambda _, arguments: answers[arguments[0]])


@pytest.mark.parametrize(
    ("tombstones", "pending", "fine"),
    [("NaN", 0, True), (99.0, 19, True), (100.0, 0, False), (1.0, 20, False)],
)
def test_tombstones_and_a_backlog_are_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tombstones: object, pending: int, fine: bool
) -> None:
    nodetool(monkeypatch, tombstones=tombstones, pending=pending)
    found = weekly.tombstones(settings, NOW)
    assert found.fine is fine
    assert f"{pending} compactions pending" in found.text
    assert found.rows[0]["table"] == "trades_silver"


def test_what_nodetool_does_not_say_is_no_figure(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weekly, "run_nodetool", lambda *_: "not JSON")
    assert weekly.tombstones(settings, NOW).fine is None
    with pytest.raises(ValueError, match="no pending tasks"):
        weekly.pending_compactions("")


def looks(settings: Settings, early_s: float, late_s: float) -> None:
    history = History(settings.paths.incidents)
    for hour in range(24 * 6):
        at = (NOW - timedelta(days=6) + timedelta(hours=hour)).timestamp()
        history.remember(DELAY, at, early_s if hour < 24 * 3 else late_s)
        history.remember(LAG, at, 7.0)


@pytest.mark.parametrize(
    ("early_s", "late_s", "fine"),
    [(0.1, 0.1, True), (2.0, 2.9, True), (2.0, 3.1, False), (0.1, 0.9, True), (3.0, 1.0, True)],
)
def test_a_week_that_drifts_is_told(settings: Settings, early_s: float, late_s: float, fine: bool) -> None:
    looks(settings, early_s, late_s)
    found = weekly.stream_metrics(settings, NOW)
    assert found.fine is fine
    assert found.chart is not None
    assert [row["figure"] for row in found.rows] == ["received → written, p95 (s)", "lag (records)"]


def test_where_nobody_looked_nothing_is_told(settings: Settings) -> None:
    assert weekly.stream_metrics(settings, NOW).fine is None
    History(settings.paths.incidents)
    assert weekly.stream_metrics(settings, NOW).fine is None


@pytest.mark.parametrize("error", [NoRoom("no room"), NodetoolFailed("nodetool compact ended with 1")])
def test_a_compaction_that_can_not_be_needs_a_person(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refused(_: Settings) -> None:
        raise error

    monkeypatch.setattr(weekly, "compact", refused)
    found = weekly.compaction(settings, NOW)
    assert (found.fine, found.text) == (False, str(error))


def test_the_checklist_is_the_runbooks_and_more(settings: Settings) -> None:
    assert [box.id for box in weekly.boxes(settings, NOW, lambda: 0)][:4] == [
        "smoke-test", "disk-usage", "tombstones", "stream-metrics",
    ]  # fmt: skip
