"""Trades of a day long ago, which a replay brings: they get their bar and their statistics like any other."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from market_pipeline_tests.running import RunningPipeline
from market_pipeline_tests.waiting import wait_for

pytestmark = [pytest.mark.real_servers, pytest.mark.timeout(600)]
FRAME = (
    '{"type":"trade","data":[{"s":"BINANCE:BTCUSDT","p":7296.5,"t":1575526691000,"v":0.0125,"c":null},'
    '{"s":"BINANCE:BTCUSDT","p":7296.6,"t":1575526691500,"v":0.02,"c":null}]}\n'
)
DAY = "2019-12-05"


@pytest.fixture
def pipeline(tmp_path: Path, free_port_base: Callable[[], int]) -> Iterator[RunningPipeline]:
    running = RunningPipeline(tmp_path / "data", free_port_base())
    yield running
    running.stop()


def test_a_replay_of_2019_has_its_partition_its_bar_and_its_statistics(
    pipeline: RunningPipeline, tmp_path: Path
) -> None:
    file = tmp_path / "2019.jsonl"
    file.write_text(FRAME)
    pipeline.up(
        "--feed", "replay", "--replay-file", str(file), "--replay-speed", "max", "--replay-once", "--no-dagster"
    )
    wait_for(lambda: pipeline.count("trades_silver") == 2, "both trades")

    program = "from market_pipeline.defs.partitions import DAILY; print(DAILY.get_first_partition_key())"
    first = subprocess.run(
        [sys.executable, "-c", program], env=pipeline.environment, capture_output=True, text=True, check=True
    )
    assert first.stdout.strip() == DAY

    pipeline.settings.paths.dagster.mkdir(exist_ok=True)
    pipeline.materialize("ohlcv_1m,ohlcv_1d,symbol_daily_stats", DAY)
    (bar,) = pipeline.rows("SELECT open, high, low, close, volume, trades FROM market_data.ohlcv_1d")
    assert bar == {
        "open": Decimal("7296.5"),
        "high": Decimal("7296.6"),
        "low": Decimal("7296.5"),
        "close": Decimal("7296.6"),
        "volume": Decimal("0.0325"),
        "trades": 2,
    }
    (stats,) = pipeline.rows("SELECT trades, volume FROM market_data.symbol_daily_stats")
    assert stats == {"trades": 2, "volume": Decimal("0.0325")}
