"""What is told of each gap, and what is refused before anything is read."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from market_pipeline.feed.second_source import Recording
from market_pipeline.model import Trade, filled_id, trade_id
from market_pipeline.remedies.gap_fill import CannotFill, counted, day_of, fill
from market_pipeline.remedies.missing_trades import content
from market_pipeline.settings import Settings
from market_pipeline.store.feed_gaps import StoredGap

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOON_US = int(NOON.timestamp()) * 1_000_000


def gap(start_s: float, end_s: float) -> StoredGap:
    span = NOON + timedelta(seconds=start_s), NOON + timedelta(seconds=end_s)
    return StoredGap("AAPL", NOON.date(), *span, "connection error")


def filled(at_s: float) -> Trade:
    at = NOON_US + int(at_s * 1_000_000)
    identity = filled_id(trade_id(at, 0))
    return Trade("AAPL", Decimal("1.5"), Decimal(1), at // 1000, identity, 0, "finnhub", at)


def test_each_gap_is_told_with_its_trades_and_whether_it_is_one_still() -> None:
    recording = Recording(listened=[(NOON_US - 1, NOON_US + 70_000_000)], symbols={"AAPL"})
    before, new = filled(3), [filled(5), filled(-1), filled(64), filled(101)]
    gaps = [gap(0, 10), gap(60, 65), gap(68, 100)]
    found = counted(gaps, [Recording(), recording], new, {before.trade_id: content(before)})
    assert [(each.trades, each.whole) for each in found] == [(3, True), (1, True), (1, False)]
    assert str(found[1]) == "AAPL 2026-11-23 12:01:00–12:01:05 (connection error): 1 trades"
    assert str(found[2]).endswith("1 trades; it stays a gap: the second source may not have heard all of it")


def test_a_day_that_silver_may_have_forgotten_is_refused(tmp_path: Path) -> None:
    """What was heard then would be taken for missing."""
    settings = Settings.load(data_dir=tmp_path, second_source=tmp_path / "any.jsonl")
    with pytest.raises(CannotFill, match="can't be filled any more: trades_silver keeps a row for 90 days"):
        fill(settings, datetime.now(UTC).date() - timedelta(days=90), really=False)


def test_a_day_is_written_as_people_write_it() -> None:
    assert day_of("2026-11-24") == date(2026, 11, 24)
    assert day_of(None) is None
