"""What keeps ``reconcile`` from comparing is one line, and what it leaves out is told."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cassandra import OperationTimedOut
from cassandra.cluster import NoHostAvailable
from click.testing import CliRunner, Result

from market_pipeline.bronze.archive import ArchiveResult, OffsetsLost
from market_pipeline.bronze.manifest import OffsetGap
from market_pipeline.cli import main
from market_pipeline.cli import reconcile as command
from market_pipeline.reconcile import DayExpired, Report

GAP = OffsetGap(0, 20, 45, "Kafka deleted them before they were archived", "2025-11-28T12:00:00+00:00")


def reconciled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: Report | Exception, *options: str) -> Result:
    def compare(*_: Any, **__: Any) -> Report:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(command, "compare_hops", compare)
    return CliRunner().invoke(main, ["--data-dir", str(tmp_path), "reconcile", *options])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OffsetsLost(ArchiveResult(gaps=[GAP])),
            "error: records are lost to the archive: partition 0 offsets 20 to 44",
        ),
        (
            DayExpired(date(2025, 1, 1)),
            "error: 2025-01-01 can't be compared any more: trades_silver keeps a row for 90",
        ),
        (OperationTimedOut(), "error: Cassandra failed (OperationTimedOut: "),
        (NoHostAvailable("all hosts failed", {}), "error: Cassandra failed (NoHostAvailable: all hosts failed): see "),
    ],
)
def test_what_keeps_it_from_comparing_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, said: str
) -> None:
    answer = reconciled(monkeypatch, tmp_path, error)
    assert answer.exit_code == 1
    assert answer.stderr.strip().splitlines()[-1].startswith(said)
    assert "Traceback" not in answer.output


def test_bars_that_were_left_out_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    report = Report(date(2025, 11, 28), counts={"received": 7}, open_bars=3)
    answer = reconciled(monkeypatch, tmp_path, report)
    assert (answer.exit_code, "3 bars were left out" in answer.stdout) == (0, True)
    assert json.loads(reconciled(monkeypatch, tmp_path, report, "--json").stdout)["open_bars"] == 3


def test_filled_trades_are_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    counts = {"received": 7, "produced": 7, "silver": 7}
    report = Report(date(2025, 11, 28), counts=counts, filled={"produced": 3, "silver": 3})
    answer = reconciled(monkeypatch, tmp_path, report)
    assert answer.exit_code == 0
    assert "filled: from a second source" in answer.stdout
    assert json.loads(reconciled(monkeypatch, tmp_path, report, "--json").stdout)["filled"] == {
        "produced": 3, "silver": 3,
    }  # fmt: skip


def test_a_day_of_filled_trades_alone_is_not_empty() -> None:
    assert not Report(date(2025, 11, 28), counts={"received": 0}, filled={"produced": 3}).empty


def test_a_day_without_a_trade_proves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    report = Report(date(2025, 11, 28), counts={"received": 0, "silver": 0})
    answer = reconciled(monkeypatch, tmp_path, report)
    assert answer.exit_code == 1
    assert "0 lost" not in answer.stdout
    assert answer.stderr.strip().splitlines()[-1].startswith("error: no trade of ")
    monkeypatch.setattr(command, "bronze_days", lambda _: [date(2025, 11, 24), date(2025, 11, 27)])
    said = reconciled(monkeypatch, tmp_path, report).stderr
    assert "the last days with trades are 2025-11-24, 2025-11-27: --day" in said
    assert json.loads(reconciled(monkeypatch, tmp_path, report, "--json").stdout)["clean"] is False
