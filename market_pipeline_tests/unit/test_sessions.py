"""Trading calendars: holidays, half days, weeks of a clock change, week-ends."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_pipeline.sessions import (
    NEW_YORK,
    MarketKind,
    Session,
    is_busy,
    kind_of,
    market_of,
    open_minutes,
    open_spans,
    regular_hours,
    session_of,
)


def new_york(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


@pytest.mark.parametrize(
    ("symbol", "kind"),
    [
        ("AAPL", MarketKind.STOCK),
        ("BRK.B", MarketKind.STOCK),
        ("BINANCE:BTCUSDT", MarketKind.CRYPTO),
        ("COINBASE:ETH-USD", MarketKind.CRYPTO),
        ("OANDA:EUR_USD", MarketKind.FOREX),
        ("FOREX:401484347", MarketKind.FOREX),
        ("IC MARKETS:1", MarketKind.FOREX),
        ("FXCM:EUR/USD", MarketKind.FOREX),
        ("FXPRO:EURUSD", MarketKind.FOREX),
        ("OANDA:XAU_USD", MarketKind.CFD),
        ("OANDA:XAU_XAG", MarketKind.CFD),
        ("OANDA:US30_USD", MarketKind.CFD),
        ("OANDA:NATGAS_USD", MarketKind.CFD),
        ("OANDA:UK100_GBP", MarketKind.CFD),
        ("OANDA:USB10Y_USD", MarketKind.CFD),
        ("OANDA:CORN_USD", MarketKind.CFD),
    ],
)
def test_the_kind_comes_from_the_venue(symbol: str, kind: MarketKind) -> None:
    assert kind_of(symbol) is kind


@pytest.mark.parametrize(
    ("at", "session"),
    [
        ("2026-11-24T03:59:59", Session.CLOSED),
        ("2026-11-24T04:00:00", Session.PRE_MARKET),
        ("2026-11-24T09:29:59", Session.PRE_MARKET),
        ("2026-11-24T09:30:00", Session.REGULAR),
        ("2026-11-24T15:59:59", Session.REGULAR),
        ("2026-11-24T16:00:00", Session.AFTER_HOURS),
        ("2026-11-24T19:59:59", Session.AFTER_HOURS),
        ("2026-11-24T20:00:00", Session.CLOSED),
        # Thanksgiving, and the half day after it: closes at 13:00, after-hours trading ends at 17:00
        ("2026-11-26T11:00:00", Session.CLOSED),
        ("2026-11-27T12:59:59", Session.REGULAR),
        ("2026-11-27T13:00:00", Session.AFTER_HOURS),
        ("2026-11-27T16:59:59", Session.AFTER_HOURS),
        ("2026-11-27T17:00:00", Session.CLOSED),
        # other holidays and a week-end
        ("2025-12-25T11:00:00", Session.CLOSED),
        ("2025-12-24T12:59:00", Session.REGULAR),
        ("2025-12-24T17:30:00", Session.CLOSED),
        ("2021-01-01T11:00:00", Session.CLOSED),
        ("2022-06-20T11:00:00", Session.CLOSED),
        ("2025-01-09T11:00:00", Session.CLOSED),  # national day of mourning
        ("2026-11-28T11:00:00", Session.CLOSED),
        ("1999-06-01T11:00:00", Session.REGULAR),
    ],
)
def test_sessions_of_a_stock(at: str, session: Session) -> None:
    assert session_of("AAPL", new_york(at)) is session
    assert is_busy("AAPL", new_york(at)) is (session is Session.REGULAR)


@pytest.mark.parametrize(
    ("day", "opens", "closes"),
    [
        (date(2026, 3, 6), "14:30", "21:00"),  # last session before the clock goes forward
        (date(2026, 3, 9), "13:30", "20:00"),
        (date(2026, 10, 30), "13:30", "20:00"),  # Europe has gone back, New York hasn't
        (date(2026, 11, 2), "14:30", "21:00"),
        (date(2026, 11, 27), "14:30", "18:00"),
    ],
)
def test_regular_hours_in_utc(day: date, opens: str, closes: str) -> None:
    hours = regular_hours(day)
    assert hours is not None
    assert [f"{at:%H:%M}" for at in hours] == [opens, closes]
    assert all(at.tzinfo is UTC for at in hours)


@pytest.mark.parametrize("day", [date(2026, 11, 26), date(2026, 11, 28), date(2026, 12, 25)])
def test_no_regular_hours_without_a_session(day: date) -> None:
    assert regular_hours(day) is None


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-22T16:59:59", False),  # Sunday
        ("2026-11-22T17:00:00", True),
        ("2026-11-26T12:00:00", True),  # Thanksgiving is no holiday of forex
        ("2026-12-24T16:59:59", True),
        ("2026-12-24T17:00:00", False),  # Christmas Day's trading has none
        ("2026-12-25T16:59:59", False),
        ("2026-12-25T17:00:00", False),  # it is a Friday
        ("2024-12-25T17:00:00", True),
        ("2026-12-31T17:00:00", False),
        ("2026-01-01T16:59:59", False),
        ("2026-01-01T17:00:00", True),
        ("2026-11-27T16:59:59", True),
        ("2026-11-27T17:00:00", False),
        ("2026-11-28T12:00:00", False),
        ("2026-03-08T16:59:59", False),  # the Sunday on which the clock went forward
        ("2026-03-08T17:00:00", True),
    ],
)
def test_forex_trades_from_sunday_to_friday(at: str, expected: bool) -> None:
    assert is_busy("OANDA:EUR_USD", new_york(at)) is expected


@pytest.mark.parametrize("symbol", ["OANDA:XAU_USD", "OANDA:US30_USD", "OANDA:NATGAS_USD"])
@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-24T16:59:59", True),  # a Tuesday
        ("2026-11-24T17:00:00", False),
        ("2026-11-24T17:12:00", False),
        ("2026-11-24T18:00:00", True),
        ("2026-11-22T17:30:00", False),  # Sunday
        ("2026-11-22T18:00:00", True),
        ("2026-11-20T16:59:00", True),  # Friday
        ("2026-11-20T17:00:00", False),
        ("2026-11-20T18:30:00", False),
        ("2026-11-21T12:00:00", False),
        ("2026-11-26T12:59:00", True),  # Thanksgiving: closes early, opens in the evening, and closes early again
        ("2026-11-26T13:00:00", False),
        ("2026-11-26T18:00:00", True),
        ("2026-11-27T13:00:00", False),
        ("2026-04-02T18:30:00", False),  # Good Friday's trading day
        ("2026-04-03T12:00:00", False),
        ("2026-12-25T12:00:00", False),
        ("2026-01-01T12:00:00", False),
        ("2026-01-01T18:00:00", True),
        ("2026-07-03T14:00:00", False),  # Independence Day is on a Saturday
        ("2026-03-09T17:30:00", False),  # the Monday after the clock went forward
        ("2026-03-09T18:00:00", True),
    ],
)
def test_cfds_have_a_break_each_day_and_close_early_on_holidays(symbol: str, at: str, expected: bool) -> None:
    assert is_busy(symbol, new_york(at)) is expected


@pytest.mark.parametrize(
    ("symbol", "at", "session"),
    [
        ("OANDA:UK100_GBP", "2026-11-24T05:00:00", Session.REGULAR),
        ("OANDA:UK100_GBP", "2026-11-24T14:00:00", Session.AFTER_HOURS),  # London has closed
        ("OANDA:UK100_GBP", "2026-11-24T17:12:00", Session.CLOSED),
        ("OANDA:UK100_GBP", "2026-12-28T05:00:00", Session.AFTER_HOURS),  # a bank holiday in London alone
        ("OANDA:JP225_USD", "2026-11-23T20:00:00", Session.REGULAR),  # Tuesday morning in Tokyo
        ("OANDA:JP225_USD", "2026-11-24T12:00:00", Session.AFTER_HOURS),
        ("OANDA:CORN_USD", "2026-11-24T12:00:00", Session.AFTER_HOURS),  # its hours are not known: no alert
        ("OANDA:CORN_USD", "2026-11-24T17:12:00", Session.CLOSED),
    ],
)
def test_an_index_is_busy_when_its_home_exchange_is(symbol: str, at: str, session: Session) -> None:
    assert session_of(symbol, new_york(at)) is session
    assert is_busy(symbol, new_york(at)) is (session is Session.REGULAR)


def test_symbols_of_one_market_keep_the_same_hours() -> None:
    assert market_of("OANDA:XAU_USD") == market_of("OANDA:US30_USD") == "cfd"
    assert market_of("OANDA:UK100_GBP") == "cfd XLON"
    assert market_of("OANDA:CORN_USD") == "cfd without an exchange"
    assert market_of("AAPL") == "stock"


@pytest.mark.parametrize(
    ("symbol", "day", "minutes"),
    [
        ("OANDA:XAU_USD", date(2026, 11, 24), 23 * 60),
        ("OANDA:US30_USD", date(2026, 11, 26), 18 * 60 + 60),  # 00:00-18:00 and from 23:00 UTC
        ("OANDA:NATGAS_USD", date(2026, 11, 27), 18 * 60),
        ("OANDA:XAU_USD", date(2026, 11, 28), 0),
        ("BINANCE:BTCUSDT", date(2026, 11, 28), 1440),
        ("OANDA:EUR_USD", date(2026, 11, 28), 0),
        ("OANDA:EUR_USD", date(2026, 11, 27), 22 * 60),
        ("OANDA:EUR_USD", date(2024, 12, 25), 2 * 60),
        ("OANDA:EUR_USD", date(2024, 12, 26), 24 * 60),
        ("OANDA:EUR_USD", date(2026, 7, 17), 21 * 60),
        ("AAPL", date(2026, 11, 24), 16 * 60),  # 09:00-24:00 UTC, and yesterday's last hour of after-hours trading
        ("AAPL", date(2026, 7, 15), 16 * 60),
        ("AAPL", date(2026, 11, 26), 60),
        ("AAPL", date(2026, 11, 27), 13 * 60),
        ("AAPL", date(2026, 11, 28), 0),
    ],
)
def test_open_minutes_of_a_utc_day(symbol: str, day: date, minutes: int) -> None:
    assert open_minutes(symbol, day) == minutes


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        is_busy("AAPL", datetime(2026, 11, 24, 12))  # noqa: DTZ001


def test_the_zone_of_the_time_does_not_matter() -> None:
    at = datetime(2026, 11, 24, 14, 30, tzinfo=UTC)
    for zone in ("Asia/Kolkata", "America/New_York", "Pacific/Auckland"):
        assert session_of("AAPL", at.astimezone(ZoneInfo(zone))) is Session.REGULAR


@settings(deadline=None)  # the first look at a year loads its calendar
@given(
    symbol=st.sampled_from(["AAPL", "BINANCE:BTCUSDT", "OANDA:EUR_USD", "OANDA:XAU_USD", "OANDA:UK100_GBP"]),
    at=st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_spans_agree_with_the_moment(symbol: str, at: datetime) -> None:
    spans = open_spans(symbol, at - timedelta(days=3), at + timedelta(days=3))
    assert (session_of(symbol, at) is not Session.CLOSED) == any(start <= at < end for start, end in spans)
    assert spans == sorted(spans)


def test_the_calendar_is_not_loaded_for_crypto() -> None:
    code = (
        "import sys; from datetime import datetime, UTC; from market_pipeline.sessions import is_busy;"
        "assert is_busy('BINANCE:BTCUSDT', datetime.now(UTC));"
        "assert not {'pandas', 'exchange_calendars'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
