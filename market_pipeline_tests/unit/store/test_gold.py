"""What the statistics of a day need besides Spark: the calendar, minutes in order, the feed's down-times."""

from datetime import UTC, date, datetime, timedelta

import pytest

from market_pipeline.sessions import regular_hours
from market_pipeline.store.gold import complete_stats, seconds_within
from market_pipeline.volatility import realised_volatility

HALF_DAY = date(2025, 11, 28)
START = datetime(2025, 11, 28, tzinfo=UTC)
END = START + timedelta(days=1)


def minute(clock: str, close: float) -> tuple[datetime, float]:
    return datetime.fromisoformat(f"2025-11-28T{clock}+00:00"), close


def test_a_stock_is_measured_in_its_regular_session_by_the_calendar() -> None:
    closes = {"AAPL": [minute("13:00", 50.0), minute("14:30", 100.0), minute("17:59", 110.0), minute("18:00", 500.0)]}
    (row,) = complete_stats(HALF_DAY, [{"symbol": "AAPL"}], closes, {"AAPL": 12.5}, regular_hours(HALF_DAY))
    assert row["realised_volatility"] == realised_volatility([100.0, 110.0])
    # 04:00 to 17:00 in New York; the day before was Thanksgiving, so no hour of it reaches into this UTC day
    assert (row["minutes_traded"], row["minutes_open"]) == (4, 13 * 60)
    assert row["coverage"] == pytest.approx(4 / 780)
    assert row["gap_seconds"] == 12.5


def test_crypto_is_measured_all_day() -> None:
    closes = {"BINANCE:BTCUSDT": [minute("00:00", 1.0), minute("23:59", 2.0)]}
    (row,) = complete_stats(HALF_DAY, [{"symbol": "BINANCE:BTCUSDT"}], closes, {}, regular_hours(HALF_DAY))
    assert (row["minutes_open"], row["gap_seconds"]) == (1440, 0.0)
    assert row["realised_volatility"] == realised_volatility([1.0, 2.0])


def test_a_trade_on_a_day_without_a_session_has_no_coverage() -> None:
    saturday = date(2025, 11, 29)
    (row,) = complete_stats(saturday, [{"symbol": "AAPL"}], {"AAPL": [minute("10:00", 1.0)]}, {}, None)
    assert (row["minutes_open"], row["coverage"], row["realised_volatility"]) == (0, None, None)


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [
        ([], 0),
        ([(10, 20)], 10),
        ([(10, 20), (15, 30)], 20),
        ([(15, 30), (10, 40)], 30),
        ([(-100, 5)], 5),
        ([(-100, -5)], 0),
        ([(86_390, None)], 10),
        ([(86_390, 86_500), (90_000, None)], 10),
    ],
)
def test_down_times_count_once_and_within_the_day(spans: list[tuple[int, int | None]], seconds: float) -> None:
    moments = [
        (START + timedelta(seconds=a), None if b is None else START + timedelta(seconds=b)) for a, b in spans
    ]  # fmt: skip
    assert seconds_within(moments, START, END) == seconds


def test_times_of_cassandra_have_no_zone_and_are_utc() -> None:
    naive = [(datetime(2025, 11, 28, 1), datetime(2025, 11, 28, 2))]  # noqa: DTZ001
    assert seconds_within(naive, START, END) == 3600
