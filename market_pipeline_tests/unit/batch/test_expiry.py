"""When rows of a day may have left silver."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from market_pipeline.batch.expiry import may_have_expired
from market_pipeline.settings import Settings
from market_pipeline.store.trades import SILVER_KEPT
from market_pipeline_tests.unit.bronze import one_run

DAY = date(2025, 11, 13)


def test_rows_leave_so_long_after_their_trades_came_whatever_day_these_are_of(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path)
    one_run.run(settings, 3)
    leave = datetime.fromtimestamp(one_run.START_MS / 1000, UTC) + SILVER_KEPT
    assert may_have_expired(settings, DAY, leave)
    assert not may_have_expired(settings, DAY, leave - timedelta(seconds=1))
    assert not may_have_expired(settings, date(2021, 1, 8), leave), "no trade of that day ever came"
