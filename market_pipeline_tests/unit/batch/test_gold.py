"""What the statistics of a day need besides Spark: the calendar, minutes in order, the feed's down-times."""

from datetime import UTC, date, datetime, timedelta

import pytest

from market_pipeline.batch.gold import complete_stats
from market_pipeline.sessions import regular_hours
from market_pipeline.volatility import realised_volatility

HALF_DAY = date(2025, 11, 28)
START = datetime(2025, 11, 28, tzinfo=UTC)
LATER = START + timedelta(days=3)


def minute(clock: str, close: float) -> tuple[datetime, float]:
    return datetime.fromisoformat(f"2025-11-28T{clock}+00:00"), close


def test_a_stock_is_measured_in_its_regular_session_by_the_calendar() -> None:
    closes = {"AAPL": [minute("13:00", 50.0), minute("14:30", 100.0), minute("17:59", 110.0), minute("18:00", 500.0)]}
    down = {"AAPL": [(START + timedelta(hours=17), START + timedelta(hours=17, seconds=12.5))]}
    (row,) = complete_stats(HALF_DAY, [{"symbol": "AAPL"}], closes, down, regular_hours(HALF_DAY), LATER)
    assert row["realised_volatility"] == realised_volatility([100.0, 110.0])
    # 04:00 to 17:00 in New York; the day before was Thanksgiving, so no hour of it reaches into this UTC day
    assert (row["minutes_traded"], row["minutes_open"]) == (4, 13 * 60)
    assert row["coverage"] == pytest.approx(4 / 780)
    assert row["gap_seconds"] == 12.5
    assert (row["minutes_quiet"], row["minutes_unknown"]) == (13 * 60 - 4 - 1, 1)


def test_crypto_is_measured_all_day() -> None:
    closes = {"BINANCE:BTCUSDT": [minute("00:00", 1.0), minute("23:59", 2.0)]}
    (row,) = complete_stats(HALF_DAY, [{"symbol": "BINANCE:BTCUSDT"}], closes, {}, regular_hours(HALF_DAY), LATER)
    assert (row["minutes_open"], row["gap_seconds"]) == (1440, 0.0)
    assert (row["minutes_traded"], row["minutes_quiet"], row["minutes_unknown"]) == (2, 1438, 0)
    assert row["realised_volatility"] == realised_volatility([1.0, 2.0])


def test_a_trade_on_a_day_without_a_session_has_no_coverage() -> None:
    saturday = date(2025, 11, 29)
    (row,) = complete_stats(saturday, [{"symbol": "AAPL"}], {"AAPL": [minute("10:00", 1.0)]}, {}, None, LATER)
    assert (row["minutes_open"], row["coverage"], row["realised_volatility"]) == (0, None, None)


def test_a_day_that_is_not_over_counts_the_minutes_so_far() -> None:
    """A down-time that lasts counts up to now."""
    now = START + timedelta(minutes=10, seconds=30)
    down = {"BINANCE:BTCUSDT": [(START + timedelta(minutes=8), None)]}
    closes = {"BINANCE:BTCUSDT": [minute("00:00", 1.0), minute("00:08", 2.0)]}
    (row,) = complete_stats(HALF_DAY, [{"symbol": "BINANCE:BTCUSDT"}], closes, down, None, now)
    assert (row["minutes_traded"], row["minutes_quiet"], row["minutes_unknown"]) == (2, 7, 1)
    assert row["gap_seconds"] == 150


def test_a_stock_that_trades_round_the_clock_covers_no_more_than_its_open_minutes() -> None:
    """Overnight venues print at night; a single one at the close of after-hours trading was a minute too many."""
    every = [(START + timedelta(minutes=number), 1.0) for number in range(24 * 60)]
    at_the_end = [minute("18:00", 1.0)]  # 13:00 in New York, the end of a half day's after-hours trading is 17:00
    (night,) = complete_stats(HALF_DAY, [{"symbol": "AAPL"}], {"AAPL": every}, {}, regular_hours(HALF_DAY), LATER)
    assert (night["minutes_traded"], night["minutes_open"], night["coverage"]) == (1440, 780, 1.0)
    (late,) = complete_stats(
        HALF_DAY, [{"symbol": "AAPL"}], {"AAPL": [minute("22:00", 1.0)]}, {}, regular_hours(HALF_DAY), LATER
    )
    assert (late["minutes_traded"], late["coverage"]) == (1, 0.0)
    (open_too,) = complete_stats(HALF_DAY, [{"symbol": "AAPL"}], {"AAPL": at_the_end}, {}, None, LATER)
    assert open_too["coverage"] == pytest.approx(1 / 780)
