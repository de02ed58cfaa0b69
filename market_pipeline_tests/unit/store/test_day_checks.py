"""What the checks expect of the producer."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from market_pipeline.settings import Settings
from market_pipeline.store.day_checks import subscribed
from market_pipeline.supervision.heartbeat import Beat

NOW = datetime(2025, 11, 28, 15, tzinfo=UTC)


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
