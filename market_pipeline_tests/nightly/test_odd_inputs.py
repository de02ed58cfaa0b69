"""What real feeds have sent, and recordings of them, through a whole pipeline: the right rows, or a dead letter."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from market_pipeline.broker.records import read_topic
from market_pipeline_tests.running import RunningPipeline
from market_pipeline_tests.waiting import wait_for

pytestmark = [pytest.mark.real_servers, pytest.mark.nightly, pytest.mark.timeout(1_200)]

DAY, DAY_BEFORE, OLD_DAY = "2025-11-25", "2025-11-24", "2019-12-05"
MIDNIGHT = int(datetime(2025, 11, 25, tzinfo=UTC).timestamp() * 1000)
NOON = MIDNIGHT + 12 * 3_600_000
OLD = int(datetime(2019, 12, 5, 6, tzinfo=UTC).timestamp() * 1000)
TOO_LONG = "X" * 1_001


EDGES = (
    (3381, 1, 1), (3380, 0, 1), (3379, -1, 1), (3378, -60_000, 1), (3382, 59_999, 1), (3383, 60_000, 1),
    (3390, 60_000, 1), (3370, 60_000, 1), (3377, -2, 0),
)  # fmt: skip
"""Price, milliseconds since midnight, volume."""


def frame(*trades: tuple[Any, ...]) -> str:
    """Of (symbol, price, time, volume) and, where it has them, conditions."""
    names = ("s", "p", "t", "v", "c")
    return json.dumps({"type": "trade", "data": [dict(zip(names, (*each, None)[:5], strict=True)) for each in trades]})


FRAMES = [
    "\ufeff" + frame(("BOM", 230.1, NOON, 1)),  # of a file that an editor saved
    frame(("BOM", 230.2, NOON + 1, 1)),
    *(
        frame((symbol, 10 + number, time, 1))
        for symbol, odd in (("MICROS", NOON * 1_000), ("NANOS", NOON * 10**6), ("LATER", 2_110_977_000_000))
        for number, time in enumerate((NOON, odd, NOON + 2, NOON + 3))
    ),
    frame(("SECONDS", 10, NOON // 1_000, 1)),
    frame(("SECONDS", 11, NOON, 1)),
    frame(("OANDA:EUR_USD", 1.0471, NOON, -0.0), ("OANDA:EUR_USD", 1.0472, NOON + 1, 0.0)),
    frame(("BINANCE:DOGEUSDT", 0.2203417, NOON, 1e-8), ("BINANCE:DOGEUSDT", 0.2203417, NOON + 1, 3e-8)),
    frame(("BINANCE:LOWUSDT", 0.00000000001234, NOON, 1_000_000)),
    frame(("BINANCE:SHIBUSDT", 0.00000862, NOON, 6 * 10**13), ("BINANCE:SHIBUSDT", 0.00000862, NOON + 1, 6 * 10**13)),
    frame(("KUCOIN:BABYUSDT", 1e-9, NOON, 10**14), ("KUCOIN:BABYUSDT", 1e-9, NOON + 1, 10**14 - 1)),
    frame(*((symbol, 10.5, NOON + n, 1) for n, symbol in enumerate(("BRK.B", "^GSPC", "M&M.NS", "IC MARKETS:7")))),
    frame(*((symbol, 10.5, NOON + n, 1) for n, symbol in enumerate(("A\0B", "", TOO_LONG, None, "\u202eLPAA")))),
    frame(*(("CONDITIONS", 1.5, NOON + n, 1, c) for n, c in enumerate((None, [], ["1", "12"], [1], [True], {"a": 1})))),
    frame(*(("BINANCE:ETHUSDT", price, MIDNIGHT + offset, volume) for price, offset, volume in EDGES)),
    frame(("BINANCE:OLDUSDT", 7296.5, OLD, 0.0125), ("BINANCE:OLDUSDT", 7296.6, OLD + 500, 0.02)),
    *(frame(("AAPL", 230, MIDNIGHT + minute * 60_000 + 500, 1)) for minute in range(1_440)),
]
STORED = {
    "BOM": 2, "MICROS": 3, "NANOS": 3, "LATER": 3, "SECONDS": 1, "OANDA:EUR_USD": 2, "BINANCE:DOGEUSDT": 2,
    "BINANCE:LOWUSDT": 1, "BINANCE:SHIBUSDT": 2, "KUCOIN:BABYUSDT": 1, "BRK.B": 1, "^GSPC": 1, "M&M.NS": 1,
    "IC MARKETS:7": 1, "CONDITIONS": 4, "BINANCE:ETHUSDT": 9, "BINANCE:OLDUSDT": 2, "AAPL": 1_440,
}  # fmt: skip
DEAD_LETTERS = 12
"""A time in microseconds, in nanoseconds, in seconds, in the future; a volume; five symbols; two conditions."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, free_port_base: Callable[[], int]) -> Iterator[RunningPipeline]:
    """A pipeline that has had all of it, twice."""
    pipeline = RunningPipeline(tmp_path_factory.mktemp("odd") / "data", free_port_base())
    file = pipeline.settings.data_dir.parent / "frames.jsonl"
    file.write_text("\n".join(FRAMES) + "\n", encoding="utf-8")
    replay = ("--feed", "replay", "--replay-file", str(file), "--replay-speed", "max", "--replay-once")
    total = sum(STORED.values())
    try:
        pipeline.up(*replay, "--no-dagster")
        for plays in (1, 2):
            wait_for(lambda: received(pipeline) >= plays * total, f"play {plays}", within_s=120)  # noqa: B023
            wait_for(lambda: pipeline.status()["stream"]["lag"] == 0, "the stream to have read it", within_s=120)
            if plays == 1:
                pipeline.run("restart", "feed-server")
        yield pipeline
    finally:
        pipeline.stop()


def received(pipeline: RunningPipeline) -> int:
    return int(pipeline.status()["feed"]["received"])


def bars(pipeline: RunningPipeline, symbol: str, day: str) -> list[dict[str, Any]]:
    return pipeline.rows(f"SELECT * FROM market_data.ohlcv_1m WHERE symbol = '{symbol}' AND day = '{day}'")


def test_every_trade_is_stored_once_and_the_rest_are_dead_letters(played: RunningPipeline) -> None:
    rows = played.rows("SELECT symbol FROM market_data.trades_silver")
    assert Counter(row["symbol"] for row in rows) == STORED
    letters = list(read_topic(played.settings, played.settings.dead_letter_topic))
    assert len(letters) == 2 * DEAD_LETTERS


@pytest.mark.parametrize("day", [DAY, DAY_BEFORE, OLD_DAY])
def test_every_day_agrees_at_every_hop(played: RunningPipeline, day: str) -> None:
    assert played.reconciled(day)["clean"]


def test_a_vwap_lies_within_low_and_high_whatever_the_volume(played: RunningPipeline) -> None:
    for symbol in ("BINANCE:DOGEUSDT", "BINANCE:LOWUSDT", "BINANCE:SHIBUSDT", "KUCOIN:BABYUSDT"):
        (bar,) = bars(played, symbol, DAY)
        assert bar["low"] <= bar["vwap"] <= bar["high"], bar
    (shib,) = bars(played, "BINANCE:SHIBUSDT", DAY)
    assert (shib["volume"], shib["vwap"]) == (12 * 10**13, Decimal("0.00000862"))


def test_bars_at_the_edges_of_minutes_and_of_a_day(played: RunningPipeline) -> None:
    stored = [*bars(played, "BINANCE:ETHUSDT", DAY_BEFORE), *bars(played, "BINANCE:ETHUSDT", DAY)]
    found = sorted(stored, key=lambda bar: str(bar["ts"]))
    figures = [tuple(bar[name] for name in ("open", "high", "low", "close", "volume", "trades")) for bar in found]
    assert figures == [
        (3378, 3379, 3377, 3379, 2, 2), (3380, 3382, 3380, 3382, 3, 3), (3383, 3390, 3370, 3370, 3, 3),
    ]  # fmt: skip


def test_the_statistics_of_a_day_that_trades_round_the_clock(played: RunningPipeline) -> None:
    played.materialize("ohlcv_1d,symbol_daily_stats", DAY)
    (statistics,) = played.rows(
        f"SELECT coverage FROM market_data.symbol_daily_stats WHERE symbol = 'AAPL' AND day = '{DAY}'"
    )
    assert 0 <= statistics["coverage"] <= 1


def test_a_day_before_all_partitions_has_its_bar(played: RunningPipeline) -> None:
    played.materialize("ohlcv_1d", OLD_DAY)
    (bar,) = played.rows(
        f"SELECT trades FROM market_data.ohlcv_1d WHERE symbol = 'BINANCE:OLDUSDT' AND day = '{OLD_DAY}'"
    )
    assert bar["trades"] == 2
