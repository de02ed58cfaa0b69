"""The batch's bars of what markets really have: dust, giant volumes, the edges of a minute; exact to the last digit."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from market_pipeline.batch.exact_vwap import with_exact_vwap
from market_pipeline.feed.journal import Frame
from market_pipeline.feed.normalise import DeadLetter, trades_of
from market_pipeline.model import EXACT, Trade, trade_id
from market_pipeline.quality.bars import exact_vwap
from market_pipeline.stream.transforms import to_bars, to_minute_rows

if TYPE_CHECKING:
    from market_pipeline_tests.spark.conftest import Frames

MIDNIGHT = 1_795_564_800_000
MINUTE = 60_000
DUST = (
    '{"s":"BINANCE:DOGEUSDT","p":0.2203417,"t":1795617001000,"v":0.00000001,"c":null}',
    '{"s":"BINANCE:DOGEUSDT","p":0.2203417,"t":1795617061000,"v":0.00000001,"c":null},'
    '{"s":"BINANCE:DOGEUSDT","p":0.2203417,"t":1795617062000,"v":0.00000003,"c":null}',
    '{"s":"BINANCE:SHIBBTC","p":0.00001234,"t":1795617001000,"v":1e-8,"c":null}',
    '{"s":"BINANCE:LOWUSDT","p":0.00000000001234,"t":1795617001000,"v":1000000,"c":null}',
    '{"s":"BINANCE:BTCUSDT","p":67000.12,"t":1795617001000,"v":0.00000001,"c":null}',
)
LARGE = (
    '{"s":"BINANCE:SHIBUSDT","p":0.00000862,"t":1795617001000,"v":60000000000000,"c":null},'
    '{"s":"BINANCE:SHIBUSDT","p":0.00000862,"t":1795617002000,"v":60000000000000,"c":null}',
    '{"s":"KUCOIN:BABYDOGEUSDT","p":0.000000001,"t":1795617001000,"v":100000000000000,"c":null},'
    '{"s":"KUCOIN:BABYDOGEUSDT","p":0.000000001,"t":1795617001500,"v":99999999999999,"c":null}',
)
EDGES = (
    ",".join(
        f'{{"s":"BINANCE:ETHUSDT","p":{price},"t":{MIDNIGHT + at},"v":1,"c":null}}'
        for price, at in ((3381, 1), (3380, 0), (3379, -1), (3378, -MINUTE), (3382, MINUTE - 1), (3383, MINUTE))
    ),
    ",".join(
        f'{{"s":"BINANCE:ETHUSDT","p":{price},"t":{MIDNIGHT + at},"v":{volume},"c":null}}'
        for price, at, volume in ((3390, MINUTE, 1), (3370, MINUTE, 1), (3377, -2, 0))
    ),
)


def received(messages: tuple[str, ...]) -> tuple[list[Trade], list[DeadLetter]]:
    frames = [
        Frame((MIDNIGHT + 86_400_000) * 1000 + number, f'{{"type":"trade","data":[{text}]}}'.encode(), "replay")
        for number, text in enumerate(messages)
    ]
    items = list(trades_of(frames, "replay"))
    return [i for i in items if isinstance(i, Trade)], [i for i in items if isinstance(i, DeadLetter)]


def batch_bars(frames: "Frames", trades: list[Trade]) -> dict[tuple[str, int], dict[str, Any]]:
    rows = to_minute_rows(to_bars(frames.trades(trades)))
    found = {}
    for row in rows.withColumn("ts", F.unix_millis("ts")).collect():
        bar = with_exact_vwap(row.asDict())
        found[row.symbol, row.ts] = {
            name: None if bar[name] is None else Decimal(bar[name])
            for name in ("open", "high", "low", "close", "volume", "vwap", "trades")
        }
    return found


def test_dust_has_the_price_that_it_was_traded_at(frames: "Frames") -> None:
    trades, _ = received(DUST)
    bars = batch_bars(frames, trades)
    assert len(bars) == 5
    for (symbol, _), bar in bars.items():
        assert bar["low"] == bar["vwap"] == bar["high"], symbol


def test_giant_volumes_are_added_up_and_one_beyond_the_limit_is_a_dead_letter(frames: "Frames") -> None:
    trades, dead = received(LARGE)
    assert [str(letter.reason) for letter in dead] == ["out_of_range"]
    bars = {symbol: bar for (symbol, _), bar in batch_bars(frames, trades).items()}
    shib = bars["BINANCE:SHIBUSDT"]
    assert (shib["volume"], shib["vwap"], shib["trades"]) == (120_000_000_000_000, Decimal("0.00000862"), 2)
    assert bars["KUCOIN:BABYDOGEUSDT"]["vwap"] == Decimal("0.000000001")


def test_a_trade_belongs_to_the_minute_and_day_of_its_millisecond(frames: "Frames") -> None:
    trades, _ = received(EDGES)
    bars = batch_bars(frames, trades)
    names = ("open", "high", "low", "close", "volume", "trades")
    assert {(ts - MIDNIGHT) // MINUTE: tuple(map(int, (bar[n] for n in names))) for (_, ts), bar in bars.items()} == {
        -1: (3378, 3379, 3377, 3379, 2, 2),
        0: (3380, 3382, 3380, 3382, 3, 3),
        1: (3383, 3390, 3370, 3370, 3, 3),
    }


PRICES = st.one_of(
    st.decimals("0.01", "100000", places=2),
    st.decimals("0.000000000000000001", "0.001", places=18),
    st.decimals("1", "9999999999", places=18),
)
VOLUMES = st.one_of(
    st.just(Decimal(0)), st.decimals("0", "1000", places=8), st.decimals("0", "99999999999999", places=18)
)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(st.lists(st.tuples(st.sampled_from("ABCD"), PRICES, VOLUMES), min_size=40, max_size=120))
def test_the_vwap_is_exact(frames: "Frames", drawn: list[tuple[str, Decimal, Decimal]]) -> None:
    trades = [
        Trade(s, price, volume, MIDNIGHT + i, trade_id(MIDNIGHT * 1000 + i, 0), 0, "replay", MIDNIGHT * 1000 + i)
        for i, (s, price, volume) in enumerate(drawn)
    ]
    bars = batch_bars(frames, trades)
    for (symbol, _), bar in bars.items():
        notional = volume = Decimal(0)
        for each in trades:
            if each.symbol == symbol:
                notional = EXACT.add(notional, EXACT.multiply(each.price, each.volume))
                volume = EXACT.add(volume, each.volume)
        assert bar["volume"] == volume
        assert bar["vwap"] == exact_vwap(notional, volume)
        assert bar["vwap"] is None or bar["low"] <= bar["vwap"] <= bar["high"]
