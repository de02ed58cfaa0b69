"""A day's statistics by Spark, whatever order its trades come in."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from market_pipeline.batch.exact_vwap import with_exact_vwap
from market_pipeline.model import Trade, trade_id
from market_pipeline.sessions import regular_hours
from market_pipeline.stream.daily import to_day_stats, to_minute_closes

if TYPE_CHECKING:
    from market_pipeline_tests.spark.conftest import Frames

HALF_DAY = date(2025, 11, 28)


def ms(clock: str) -> int:
    return int(datetime.fromisoformat(f"2025-11-28T{clock}+00:00").timestamp() * 1000)


def trade(symbol: str, clock: str, price: str, volume: str, number: int) -> Trade:
    ts = ms(clock)
    return Trade(
        symbol, Decimal(price), Decimal(volume), ts, trade_id(ts * 1000, number), 0, "replay", ts * 1000
    )  # fmt: skip


TRADES = [
    trade("AAPL", "14:29:59.999", "100.10", "5", 1),  # pre-market
    trade("AAPL", "14:30:00", "101", "0", 2),  # a price update opens the session
    trade("AAPL", "14:30:00.001", "102.5", "2.5", 3),
    trade("AAPL", "17:59:59.999", "101.25", "1", 4),
    trade("AAPL", "18:00:00", "999", "0.25", 5),  # the half day is over
    trade("BINANCE:BTCUSDT", "00:00:00", "90000.5", "0.1", 6),
    trade("BINANCE:BTCUSDT", "00:00:00", "0.1", "90000.5", 7),  # as large: the one that was received first is named
    trade("OANDA:EUR_USD", "01:00:30", "1.05", "0", 8),
]


@pytest.mark.parametrize("backwards", [False, True])
def test_the_figures_of_a_day(frames: "Frames", backwards: bool) -> None:
    trades = frames.trades(TRADES[::-1] if backwards else TRADES)
    rows = to_day_stats(trades, regular_hours(HALF_DAY)).collect()
    found = {row.symbol: with_exact_vwap(row.asDict()) for row in rows}
    assert found["AAPL"] == {
        "symbol": "AAPL", "trades": 4, "price_updates": 1, "volume": "8.75", "vwap": "126.6",
        "first_trade": ms("14:29:59.999"), "last_trade": ms("18:00:00"), "largest_price": "100.1",
        "largest_volume": "5", "largest_at": ms("14:29:59.999"), "regular_open": "101", "regular_high": "102.5",
        "regular_low": "101", "regular_close": "101.25", "regular_volume": "3.5",
    }  # fmt: skip
    bitcoin = found["BINANCE:BTCUSDT"]
    assert (bitcoin["largest_price"], bitcoin["largest_volume"]) == ("90000.5", "0.1")
    assert (bitcoin["largest_at"], bitcoin["regular_open"], bitcoin["regular_volume"]) == (ms("00:00:00"), None, None)
    euro = found["OANDA:EUR_USD"]
    assert (euro["trades"], euro["price_updates"], euro["volume"]) == (0, 1, "0")
    assert (euro["vwap"], euro["largest_price"]) == (None, None)


def test_without_a_session_there_are_no_regular_figures(frames: "Frames") -> None:
    rows: list[Any] = to_day_stats(frames.trades(TRADES), None).collect()
    assert {row.regular_close for row in rows} == {None}


def test_each_minute_has_its_last_price(frames: "Frames") -> None:
    rows = to_minute_closes(frames.trades(TRADES)).orderBy("symbol", "ts").collect()
    assert [(row.symbol, datetime.fromtimestamp(row.ts / 1000, UTC).strftime("%H:%M"), row.close) for row in rows] == [
        ("AAPL", "14:29", 100.1), ("AAPL", "14:30", 102.5), ("AAPL", "17:59", 101.25), ("AAPL", "18:00", 999.0),
        ("BINANCE:BTCUSDT", "00:00", 0.1), ("OANDA:EUR_USD", "01:00", 1.05),
    ]  # fmt: skip
