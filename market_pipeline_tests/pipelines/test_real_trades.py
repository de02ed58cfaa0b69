"""2,001 trades of one minute through the whole pipeline: every one, once, to the last digit, whatever happens.

Of a minute that is made for it, and of a real one where that is at hand.
"""

import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from market_pipeline_tests import busy_minute
from market_pipeline_tests.busy_minute import DAY, TRADES, bar_of, trades_of
from market_pipeline_tests.running import RunningPipeline
from market_pipeline_tests.waiting import wait_for

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "binance-btcusdt-2021-01-08.jsonl"
FRAME_OF_2019 = (
    '{"type":"trade","data":[{"s":"BINANCE:BTCUSDT","p":7296.5,"t":1575526691000,"v":0.0125,"c":null},'
    '{"s":"BINANCE:BTCUSDT","p":7296.6,"t":1575526691500,"v":0.02,"c":null}]}\n'
)
DAY_OF_2019 = "2019-12-05"
KINDS = ["made", *([pytest.param("real", marks=pytest.mark.nightly)] if REAL.exists() else [])]
REAL_BAR = {
    "open": Decimal("39432.48"),
    "high": Decimal("39550.0"),
    "low": Decimal("39430.3"),
    "close": Decimal("39491.76"),
    "volume": Decimal("87.071596"),
    "trades": 2001,
}

pytestmark = [
    pytest.mark.real_servers,
    pytest.mark.timeout(600),
    pytest.mark.parametrize("sample", KINDS, indirect=True, scope="class"),
]


@pytest.fixture(scope="class")
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The minute's frames, one a line."""
    if request.param == "real":
        return REAL
    file = tmp_path_factory.mktemp("sample") / "minute.jsonl"
    busy_minute.write(file)
    return file


@pytest.fixture
def pipeline(tmp_path: Path, free_port_base: Callable[[], int]) -> Iterator[RunningPipeline]:
    running = RunningPipeline(tmp_path / "data", free_port_base())
    yield running
    running.stop()


@pytest.fixture(scope="class")
def replayed(
    sample: Path, tmp_path_factory: pytest.TempPathFactory, free_port_base: Callable[[], int]
) -> Iterator[RunningPipeline]:
    """One that has had all of the sample."""
    running = RunningPipeline(tmp_path_factory.mktemp("replayed") / "data", free_port_base())
    try:
        replay(running, shutil.copy(sample, file_of(running)))
        wait_for(lambda: is_whole(running), "2,001 trades", within_s=60)
        yield running
    finally:
        running.stop()


def file_of(pipeline: RunningPipeline) -> Path:
    """What it replays, from the beginning whenever its feed is started."""
    return pipeline.settings.data_dir.parent / "replayed.jsonl"


def replay(pipeline: RunningPipeline, file: Path, *, speed: str = "max") -> None:
    pipeline.up(
        "--feed", "replay", "--replay-file", str(file), "--replay-speed", speed, "--replay-once", "--no-dagster"
    )


def is_whole(pipeline: RunningPipeline) -> bool:
    bars = pipeline.rows(f"SELECT trades FROM market_data.ohlcv_1m WHERE symbol = 'BINANCE:BTCUSDT' AND day = '{DAY}'")
    return pipeline.count("trades_silver") >= TRADES and sum(bar["trades"] for bar in bars) >= TRADES


def assert_every_trade_once(pipeline: RunningPipeline, sample: Path) -> None:
    assert pipeline.count("trades_silver") == TRADES
    (bar,) = pipeline.rows(
        "SELECT open, high, low, close, volume, trades FROM market_data.ohlcv_1m "
        f"WHERE symbol = 'BINANCE:BTCUSDT' AND day = '{DAY}'"
    )
    assert bar == bar_of(sample)
    report = pipeline.reconciled(DAY)
    assert report["clean"], report
    assert report["counts"] == dict.fromkeys(("received", "produced", "bronze", "silver", "bars"), TRADES)


class TestReplayed:
    """On one pipeline, in order."""

    def test_every_real_trade_arrives_once_and_the_bar_is_right_also_when_replayed_twice(
        self, replayed: RunningPipeline, sample: Path
    ) -> None:
        assert_every_trade_once(replayed, sample)

        (latest,) = replayed.rows("SELECT price, ts FROM market_data.latest_prices WHERE symbol = 'BINANCE:BTCUSDT'")
        assert latest["price"] == bar_of(sample)["close"]

        received = replayed.status()["feed"]["received"]
        replayed.run("restart", "feed-server")
        wait_for(lambda: replayed.status()["feed"]["received"] >= received + TRADES, "the second replay", within_s=60)
        wait_for(lambda: replayed.status()["stream"]["lag"] == 0, "the stream to have read it", within_s=60)
        assert_every_trade_once(replayed, sample)

    def test_a_lost_row_and_a_wrong_bar_are_named_and_mended_from_bronze(
        self, replayed: RunningPipeline, sample: Path
    ) -> None:
        # the oldest row: of the newest the stream may have a copy under way (see stream/sinks.py), which brings it back
        found = replayed.rows("SELECT symbol, bucket, ts, trade_id FROM market_data.trades_silver")
        victim = min(found, key=lambda row: str(row["ts"]))
        key = " AND ".join(f"{name} = '{value}'" for name, value in victim.items())
        replayed.run("query", f"DELETE FROM market_data.trades_silver WHERE {key}")
        replayed.run(
            "query",
            "UPDATE market_data.ohlcv_1m SET trades = 7 WHERE symbol = 'BINANCE:BTCUSDT' AND day = '2021-01-08' "
            "AND ts = '2021-01-08T00:00:00Z'",
        )
        report = replayed.reconciled(DAY)
        assert not report["clean"]
        assert report["lost"] == 1
        (silver,) = report["differences"]
        assert (silver["hop"], silver["missing"]) == ("silver", [victim["trade_id"]])
        (bar,) = report["bars"]
        assert (bar["silver"]["trades"], bar["bar"]["trades"]) == (TRADES - 1, 7)

        replayed.materialize("trades_silver,ohlcv_1m", DAY)
        assert_every_trade_once(replayed, sample)

    def test_a_day_of_2019_has_its_partition_its_bar_and_its_statistics(self, replayed: RunningPipeline) -> None:
        file_of(replayed).write_text(FRAME_OF_2019)
        replayed.run("restart", "feed-server")
        wait_for(lambda: replayed.count("trades_silver") == TRADES + 2, "both trades")

        def first_partition() -> str:
            program = "from market_pipeline.defs.partitions import DAILY; print(DAILY.get_first_partition_key())"
            ended = subprocess.run(
                [sys.executable, "-c", program], env=replayed.environment, capture_output=True, text=True, check=True
            )
            return ended.stdout.strip()

        # the rows are in the table before the producer's next heartbeat, which has the day
        wait_for(lambda: first_partition() == DAY_OF_2019, "its partition")

        replayed.materialize("ohlcv_1m,ohlcv_1d,symbol_daily_stats", DAY_OF_2019)
        (bar,) = replayed.rows("SELECT open, high, low, close, volume, trades FROM market_data.ohlcv_1d")
        assert bar == {
            "open": Decimal("7296.5"),
            "high": Decimal("7296.6"),
            "low": Decimal("7296.5"),
            "close": Decimal("7296.6"),
            "volume": Decimal("0.0325"),
            "trades": 2,
        }
        (stats,) = replayed.rows("SELECT trades, volume FROM market_data.symbol_daily_stats")
        assert stats == {"trades": 2, "volume": Decimal("0.0325")}


def test_shuffled_messages_and_sigkill_of_producer_and_stream_in_the_middle(
    pipeline: RunningPipeline, sample: Path, tmp_path: Path
) -> None:
    frames = sample.read_text().splitlines()
    random.Random(8).shuffle(frames)
    shuffled = tmp_path / "shuffled.jsonl"
    shuffled.write_text("\n".join(frames) + "\n")
    replay(pipeline, shuffled, speed="3")

    wait_for(lambda: pipeline.status()["feed"]["received"] >= 300, "a first part", within_s=60)
    pipeline.killed_and_back("producer")
    pipeline.killed_and_back("stream")
    wait_for(lambda: is_whole(pipeline), "2,001 trades", within_s=180)
    assert_every_trade_once(pipeline, shuffled)  # of one millisecond the order of arrival counts


def test_the_sample_is_what_it_is_said_to_be(sample: Path) -> None:
    trades = trades_of(sample)
    assert len(trades) == TRADES
    assert len(sample.read_text().splitlines()) == 156
    identical = [(t["t"], t["p"], t["v"]) for t in trades]
    assert len(identical) - len(set(identical)) >= 8
    assert {int(t["t"]) // 60_000 for t in trades} == {26_834_400}
    if sample == REAL:
        assert bar_of(sample) == REAL_BAR
