"""The file of incidents that an older version made, and one of a newer version."""

import sqlite3
from pathlib import Path

import pytest

from market_pipeline.alerts.course import course
from market_pipeline.alerts.database import FORMAT, NewerLedger
from market_pipeline.alerts.ledger import Ledger
from market_pipeline.alerts.outcomes import Outcome, Outcomes
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.alerts.signal import Signal, Verdict

SQL = Path(__file__).parent / "older" / "ledger.sql"
OPEN = "program-down/stream/1795600000000"
NOW = 1795600120.0


@pytest.fixture
def older(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(SQL.read_text(encoding="utf-8"))
    connection.close()
    return path


def test_incidents_of_an_older_version_go_on(older: Path) -> None:
    ledger = Ledger(older)
    (incident,) = ledger.not_over()
    assert (incident.id, incident.worst.text) == (OPEN, "stream is fatal")
    assert incident.worst.evidence == {"the end of its log": "ERROR stream: no"}
    unknown = Signal("clock", "clock", Verdict.UNKNOWN, "nobody says")
    ledger.judge([unknown, Signal("program-down", "stream", Verdict.FAULT, "stream is backoff")], RULES, NOW)
    assert ledger.unknown() == [("clock", "nobody says")]
    Outcomes(older).keep(Outcome(OPEN, "9f8e7d6c-5b4a", NOW, None, "nothing to do"))
    found, history = Ledger(older).show(OPEN)
    assert [(each.what, each.text) for each in course(older, found, history)] == [
        ("opened", "stream is fatal"),
        ("remedy", "run 1a2b3c4d failed (stream: it does not start)"),
        ("remedy", "run 9f8e7d6c (nothing to do)"),
    ]
    assert len(ledger.since(0.0)) == 2


def test_one_that_is_upgraded_is_as_a_new_one(older: Path, tmp_path: Path) -> None:
    tables = []
    for path in (older, tmp_path / "new.sqlite"):
        Ledger(path)
        with sqlite3.connect(path) as connection:
            names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            tables.append({name: connection.execute(f"PRAGMA table_info({name})").fetchall() for name in names})
            assert connection.execute("PRAGMA user_version").fetchone() == (FORMAT,)
        connection.close()
    assert tables[0] == tables[1]


def test_one_of_a_newer_version_is_refused_in_one_line(older: Path) -> None:
    with sqlite3.connect(older) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.close()
    with pytest.raises(NewerLedger, match=r"a newer market-pipeline .* upgrade market-pipeline") as caught:
        Ledger(older)
    assert "\n" not in str(caught.value)
