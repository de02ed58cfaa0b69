"""What the checks make of what they read, and what they expect of the producer."""

from contextlib import nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from market_pipeline.batch import day_checks
from market_pipeline.batch.day_checks import accounts, bar_volume_faults, newest_prices, silver_doubles, subscribed
from market_pipeline.model import trade_id
from market_pipeline.quality.doubles import Placed
from market_pipeline.settings import Settings
from market_pipeline.supervision.heartbeat import Beat

NOW = datetime(2025, 11, 28, 15, tzinfo=UTC)
NUMBER = 1_763_000_000_000_000


def beat(age_s: float, **detail: Any) -> Beat:
    at = NOW.timestamp() - age_s
    return Beat("producer", 1, at - 60, at, detail)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (beat(1, symbol_names=["BINANCE:BTCUSDT"]), ["BINANCE:BTCUSDT"]),
        (beat(1, symbol_names=[]), []),
        (beat(600, symbol_names=["BINANCE:BTCUSDT"]), ["AAPL", "MSFT"]),
        (beat(1), ["AAPL", "MSFT"]),
        (None, ["AAPL", "MSFT"]),
    ],
)
def test_the_symbols_are_those_of_the_producer_while_it_runs(
    tmp_path: Path, told: Beat | None, expected: list[str]
) -> None:
    settings = Settings.load(data_dir=tmp_path, symbols=("AAPL", "MSFT"))
    assert subscribed(settings, told, NOW) == expected


def test_a_price_whose_symbol_nobody_subscribes_any_more_is_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = datetime(2025, 11, 28, 14, 59)  # noqa: DTZ001 - the driver gives UTC without a zone
    rows = [SimpleNamespace(symbol=symbol, ts=at) for symbol in ("AAPL", "BINANCE:BTCUSDT")]
    session = SimpleNamespace(execute=lambda _: rows)
    monkeypatch.setattr(day_checks, "connect", lambda _: nullcontext(session))
    settings = Settings.load(data_dir=tmp_path, symbols=("BINANCE:BTCUSDT", "BINANCE:ETHUSDT"))
    assert newest_prices(settings, NOW) == {"BINANCE:BTCUSDT": at.replace(tzinfo=UTC), "BINANCE:ETHUSDT": None}


def test_a_trade_under_another_symbol_is_found_however_far_down_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Placed(trade_id(NUMBER + index, 0), "AAPL", index) for index in range(5_000)]
    rows.append(Placed(rows[3].trade_id, "MSFT", 9))
    monkeypatch.setattr(day_checks, "connect", lambda _: nullcontext())
    monkeypatch.setattr(day_checks, "places_day", lambda *_: iter(rows))
    settings = Settings.load(data_dir=tmp_path)
    count, (found,) = silver_doubles(settings, date(2025, 11, 28))
    assert (count, str(found)) == (5_001, f"{rows[3].trade_id}: AAPL at 3 and MSFT at 9")
    rows.pop()
    assert silver_doubles(settings, date(2025, 11, 28)) == (5_000, [])
    assert list(settings.paths.run.iterdir()) == []


@pytest.mark.parametrize(("expired", "missing"), [(True, 0), (False, 7)])
def test_rows_that_silver_lacks_are_expired_only_when_they_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expired: bool, missing: int
) -> None:
    settings, day = Settings.load(data_dir=tmp_path), date(2025, 8, 1)
    monkeypatch.setattr(day_checks, "connect", lambda _: nullcontext())
    monkeypatch.setattr(day_checks, "may_have_expired", lambda *_: expired)
    monkeypatch.setattr(day_checks, "silver_counts", lambda *_: iter([]))
    monkeypatch.setattr(day_checks, "bronze_trades", lambda *_: (9, 2, {("AAPL", NOW): 7}))
    found = accounts(None, settings, day, NOW)
    assert (found.expired, found.missing) == (7 - missing, missing)


def test_bars_are_not_compared_with_rows_that_have_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_checks, "may_have_expired", lambda *_: True)
    assert bar_volume_faults(Settings.load(data_dir=tmp_path), date(2025, 8, 1), NOW) == (0, [])
