"""What keeps ``reconcile`` from comparing is one line, and what it leaves out is told."""

import json
from datetime import date
from decimal import Decimal
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
from market_pipeline.quality.bar_sums import BarMismatch, BarSum
from market_pipeline.quality.digest import Difference
from market_pipeline.quality.latest import LatestPrice, PriceMismatch
from market_pipeline.reconcile import DayExpired, Report

GAP = OffsetGap(0, 20, 45, "Kafka deleted them before they were archived", "2025-11-28T12:00:00+00:00")


def reconciled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: Report | Exception, *options: str) -> Result:
    def compare(*_: Any, **__: Any) -> Report:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(command, "compare_hops", compare)
    return CliRunner().invoke(main, ["--data-dir", str(tmp_path), "reconcile", "--day", "2025-11-28", *options])


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
    newest_first = [report.day, date(2025, 11, 27), date(2025, 11, 24)]
    monkeypatch.setattr(command, "days_with_trades", lambda _: iter(newest_first))
    said = reconciled(monkeypatch, tmp_path, report).stderr
    assert "the last days with trades are 2025-11-24, 2025-11-27: --day" in said
    assert json.loads(reconciled(monkeypatch, tmp_path, report, "--json").stdout)["clean"] is False


def test_without_a_day_it_is_the_newest_with_trades_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[date] = []
    report = Report(date(2021, 1, 8), counts={"received": 7, "silver": 7, "bars": 7})
    monkeypatch.setattr(command, "newest_day", lambda _: date(2021, 1, 8))
    monkeypatch.setattr(command, "compare_hops", lambda _, day, progress: asked.append(day) or report)
    answer = CliRunner().invoke(main, ["--data-dir", str(tmp_path), "reconcile"])
    assert (answer.exit_code, asked) == (0, [date(2021, 1, 8)])
    assert "comparing 2021-01-08 (UTC), the newest day with trades; --day chooses another" in answer.stderr
    assert "nothing is missing" in answer.stdout
    monkeypatch.setattr(command, "newest_day", lambda _: None)
    empty = CliRunner().invoke(main, ["--data-dir", str(tmp_path), "reconcile"])
    assert empty.exit_code == 1
    assert empty.stderr.strip().splitlines()[-1].startswith("error: no trade of any day was received yet")


def test_a_failure_names_the_trades_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old, new = (LatestPrice(ts, str(ts), Decimal("1.50"), Decimal(1)) for ts in (1_000, 2_000))
    report = Report(
        date(2025, 11, 28),
        counts={"received": 9, "silver": 7},
        differences=[Difference("silver", ("one", "two"), (), (), more_missing=40)],
        prices=[PriceMismatch("AAPL", new, old), PriceMismatch("MSFT", new, None), PriceMismatch("X", None, old)],
        unsettled=2,
    )
    answer = reconciled(monkeypatch, tmp_path, report)
    assert answer.exit_code == 1
    assert "42 lost, 0 doubled, 0 bars wrong, 3 latest prices wrong: reconciliation FAILED" in answer.stdout
    assert "silver: 42 missing: one, two …" in answer.stdout
    assert "--select trades_silver --partition 2025-11-28" in answer.stdout
    assert (
        "latest price of AAPL: 1.5 at 1970-01-01T00:00:01.000+00:00 (1000); the newest trade is 1.5 at" in answer.stdout
    )
    assert "latest price of MSFT: no row" in answer.stdout
    assert "bronze has no such trade" in answer.stdout
    assert "--select latest_prices" in answer.stdout
    assert "2 minutes changed while they were compared" in answer.stdout
    shown = json.loads(reconciled(monkeypatch, tmp_path, report, "--json").stdout)
    assert (shown["clean"], shown["lost"], shown["unsettled_minutes"]) == (False, 42, 2)
    assert [each["symbol"] for each in shown["latest_prices"]] == ["AAPL", "MSFT", "X"]


def test_rows_without_figures_are_shown_as_such(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Somebody's own INSERT, or a sum that outgrew its type."""
    want = BarSum(7, Decimal("1.5"))
    report = Report(
        date(2025, 11, 28),
        counts={"received": 9, "silver": 9},
        bars=[BarMismatch("A", 0, want, BarSum(None, None)), BarMismatch("A", 60_000, want, BarSum(7, None))],
        prices=[
            PriceMismatch("A", LatestPrice(1_000, "1", Decimal(2), Decimal(1)), LatestPrice(1_000, "", None, None))
        ],
    )
    answer = reconciled(monkeypatch, tmp_path, report)
    assert answer.exit_code == 1, answer.exception
    assert "00:00+00:00: no number of trades, no volume; silver has 7 trades, volume 1.5" in answer.stdout
    assert "00:01+00:00: 7 trades, no volume; silver has" in answer.stdout
    assert "latest price of A: no price at 1970-01-01T00:00:01.000+00:00 ()" in answer.stdout
