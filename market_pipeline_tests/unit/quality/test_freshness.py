"""Old prices are a fault where the market is open, and nowhere else."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from market_pipeline.quality.freshness import judge

NEW_YORK = ZoneInfo("America/New_York")


def stale(symbols: dict[str, int | None], at: str) -> list[str]:
    """The kinds that are stale, given the age in minutes of each symbol's price."""
    now = datetime.fromisoformat(at).replace(tzinfo=NEW_YORK)
    newest = {s: None if age is None else now - timedelta(minutes=age) for s, age in symbols.items()}
    return [str(market.market) for market in judge(newest, now) if market.stale]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-24T11:00", ["stock"]),
        ("2026-11-24T09:35", []),  # the first minutes of the session
        ("2026-11-24T09:40", ["stock"]),
        ("2026-11-24T05:00", []),  # pre-market trades are few
        ("2026-11-24T18:00", []),
        ("2026-11-26T11:00", []),  # Thanksgiving
        ("2026-11-27T12:30", ["stock"]),
        ("2026-11-27T13:30", []),  # the half day is over
        ("2026-11-28T11:00", []),
    ],
)
def test_stocks_by_their_session(at: str, expected: list[str]) -> None:
    assert stale({"AAPL": 600}, at) == expected


def test_crypto_never_rests_and_forex_does_at_the_week_end() -> None:
    symbols: dict[str, int | None] = {"BINANCE:BTCUSDT": 11, "OANDA:EUR_USD": 11}
    assert stale(symbols, "2026-11-28T11:00") == ["crypto"]
    assert stale(symbols, "2026-11-25T11:00") == ["crypto", "forex"]


def test_cfds_rest_in_their_break_and_an_index_with_its_home_exchange() -> None:
    symbols: dict[str, int | None] = {"OANDA:EUR_USD": 1, "OANDA:XAU_USD": 11, "OANDA:UK100_GBP": 11}
    assert stale(symbols, "2026-11-24T17:12") == []
    assert stale(symbols, "2026-11-24T14:00") == ["cfd"]
    assert stale(symbols, "2026-11-24T10:00") == ["cfd", "cfd XLON"]


def test_a_quiet_symbol_beside_a_lively_one_is_no_fault() -> None:
    assert stale({"AAPL": 300, "MSFT": 1}, "2026-11-24T11:00") == []


def test_a_market_that_never_had_a_price_is_stale_and_says_so() -> None:
    now = datetime(2026, 11, 24, 11, tzinfo=NEW_YORK)
    (market,) = judge({"BINANCE:BTCUSDT": None}, now)
    assert market.stale
    assert str(market) == "crypto: continuous, never traded"


def test_a_price_is_told_with_its_age_and_a_closed_market_without() -> None:
    now = datetime(2026, 11, 28, 11, tzinfo=NEW_YORK)
    told = judge({"BINANCE:BTCUSDT": now - timedelta(seconds=90), "AAPL": now - timedelta(days=1)}, now)
    assert [str(market) for market in told] == ["crypto: continuous, newest price 90 s old", "stock: closed"]
    (ahead,) = judge({"BINANCE:BTCUSDT": now + timedelta(seconds=9)}, now)
    assert str(ahead) == "crypto: continuous, newest price 0 s old"


def test_without_symbols_there_is_nothing_to_judge() -> None:
    assert judge({}, datetime(2026, 11, 24, 11, tzinfo=NEW_YORK)) == []
