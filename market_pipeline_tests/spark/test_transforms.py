"""Rows and bars from trades, checked against plain Python."""

import json
import random
import time
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from market_pipeline import model
from market_pipeline.batch.exact_vwap import with_exact_vwap
from market_pipeline.model import CANARY, Trade, canary
from market_pipeline.stream.transforms import (
    WRITETIME,
    plain,
    to_bars,
    to_day_rows,
    to_latest,
    to_minute_rows,
    to_silver,
    unique,
)

SAMPLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "binance-btcusdt-2021-01-08.jsonl"
NINE = 1_610_096_400_000
"""2021-01-08 09:00 UTC."""
MINUTE = 60_000
FIGURES = ("open", "high", "low", "close", "volume", "vwap", "trades")
WIDE = Context(prec=100, rounding=ROUND_HALF_UP)


def newest(rows: DataFrame) -> list[Row]:
    """Of rows of ``latest_prices`` the one of each symbol that wins in Cassandra."""
    ordered = sorted(rows.collect(), key=lambda row: (row[WRITETIME], row.trade_id))
    return list({row.symbol: row for row in ordered}.values())


def trade(ts: int = NINE, price: str = "10", volume: str = "1", **other) -> Trade:
    received = other.pop("received_at", ts * 1000 + 500)
    fields = {"symbol": "A", "seq": 0, "source": "test", "trade_id": model.trade_id(received, other.pop("index", 0))}
    return Trade(price=Decimal(price), volume=Decimal(volume), ts=ts, received_at=received, **(fields | other))


def bars_of(frame) -> dict:
    rows = to_minute_rows(to_bars(frame)).withColumn("ts", F.unix_millis("ts")).collect()
    return {(row.symbol, row.ts): {"symbol": row.symbol, "ts": row.ts} | figures(row) for row in rows}


def figures(row: Row) -> dict:
    """Of a row of a table of bars, with the vwap that the batch adds."""
    bar = with_exact_vwap(row.asDict())
    return {name: bar[name] if bar[name] is None else Decimal(bar[name]) for name in FIGURES}


def reference(trades: list[Trade], width: int = MINUTE) -> dict:
    """The bars in plain Python, with exact arithmetic."""
    place = lambda each: (each.symbol, each.ts // width * width)  # noqa: E731
    bars = {}
    for key, group in groupby(sorted(trades, key=place), key=place):
        ordered = sorted(group, key=lambda each: (each.ts, each.trade_id))
        prices = [each.price for each in ordered]
        volume = sum((each.volume for each in ordered), Decimal(0))
        notional = Decimal(0)
        for each in ordered:
            notional = WIDE.add(notional, WIDE.multiply(each.price, each.volume))
        vwap = WIDE.divide(notional, volume).quantize(Decimal("1e-18"), context=WIDE) if volume else None
        bars[key] = {
            "symbol": key[0], "ts": key[1], "open": prices[0], "high": max(prices), "low": min(prices),
            "close": prices[-1], "volume": volume, "vwap": vwap, "trades": sum(each.volume > 0 for each in ordered),
        }  # fmt: skip
    return bars


PRICES = st.one_of(
    st.decimals("0.01", "100000", places=2),
    st.decimals("0.000000000000000001", "0.001", places=18),
    st.decimals("1", "9999999999", places=18),
)
VOLUMES = st.one_of(st.just(Decimal(0)), st.decimals("0", "1000", places=8), st.decimals("0", "9999999", places=18))
TRADES = st.lists(
    st.tuples(st.sampled_from("AB"), PRICES, VOLUMES, st.integers(0, 3 * MINUTE)), min_size=40, max_size=120
)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(TRADES, st.randoms())
def test_bars_equal_exact_arithmetic_in_any_order(frames, drawn, rng: random.Random) -> None:
    trades = [
        trade(NINE + at, str(price), f"{volume:f}", symbol=symbol, index=index)
        for index, (symbol, price, volume, at) in enumerate(drawn)
    ]
    rng.shuffle(trades)
    assert bars_of(frames.trades(trades)) == reference(trades)


def test_open_and_close_go_by_event_time_then_by_arrival(frames) -> None:
    trades = [
        trade(NINE + 5, "3", index=2),
        trade(NINE + 5, "2", index=1),
        trade(NINE + 1, "7", received_at=(NINE + 90) * 1000),
        trade(NINE + 9, "5", index=0),
    ]
    bar = bars_of(frames.trades(trades))["A", NINE]
    assert (bar["open"], bar["high"], bar["low"], bar["close"]) == (7, 7, 2, 5)
    twins = [trade(NINE, "3", index=0), trade(NINE, "4", index=1)]
    bar = bars_of(frames.trades(twins[::-1]))["A", NINE]
    assert (bar["open"], bar["close"]) == (3, 4)


def test_a_price_update_moves_prices_but_not_volume(frames) -> None:
    bar = bars_of(frames.trades([trade(NINE, "10", "2"), trade(NINE + 1, "12", "0"), trade(NINE + 2, "9", "0")]))[
        "A", NINE
    ]
    assert (bar["high"], bar["low"], bar["close"]) == (12, 9, 9)
    assert (bar["volume"], bar["trades"], bar["vwap"]) == (2, 1, 10)


def test_a_bar_of_price_updates_only_has_no_vwap(frames) -> None:
    bar = bars_of(frames.trades([trade(NINE, "1.0832", "0", symbol="OANDA:EUR_USD")]))["OANDA:EUR_USD", NINE]
    assert (bar["volume"], bar["trades"], bar["vwap"]) == (0, 0, None)
    assert bar["close"] == Decimal("1.0832")


def test_twins_count_twice_and_doubles_once(frames) -> None:
    twins = [trade(NINE, "10", "1", index=0), trade(NINE, "10", "1", index=1)]
    again = frames.trades([*twins, *twins, twins[0]])
    assert bars_of(unique(again))["A", NINE]["trades"] == 2


def test_there_is_no_bar_of_a_minute_in_which_nothing_came_and_no_price_is_carried_over(frames) -> None:
    trades = [trade(NINE, "10"), trade(NINE + 3 * MINUTE, "20", index=1), trade(NINE + 3 * MINUTE, "21", index=2)]
    bars = bars_of(frames.trades(trades))
    assert [key[1] for key in sorted(bars)] == [NINE, NINE + 3 * MINUTE]
    assert bars["A", NINE + 3 * MINUTE]["open"] == 20


def test_the_bar_of_a_day_equals_one_that_was_computed_without_us(frames) -> None:
    """From the trades in plain Python: not from minutes, whose open another pipeline had carried over."""
    rng, day = random.Random(4), 24 * 60 * MINUTE
    midnight = NINE // day * day
    trades = [
        trade(midnight + rng.randrange(day), f"{rng.uniform(1, 9):.4f}", f"{rng.uniform(0, 3):.6f}", index=index)
        for index in range(300)
    ]
    (row,) = to_day_rows(to_bars(frames.trades(trades), "1 day")).collect()
    (want,) = reference(trades, day).values()
    assert figures(row) == {name: want[name] for name in FIGURES}


def test_sums_of_the_largest_trades_are_exact(frames) -> None:
    huge = [trade(NINE, "9999999999", "99999999999999", index=index) for index in range(12)]
    bar = bars_of(frames.trades(huge))["A", NINE]
    assert (bar["volume"], bar["vwap"], bar["trades"]) == (12 * 99999999999999, 9999999999, 12)


def test_a_minute_starts_at_its_first_millisecond(frames) -> None:
    bars = bars_of(frames.trades([trade(NINE - 1, "1"), trade(NINE, "2"), trade(NINE + MINUTE - 1, "3")]))
    assert {key[1]: bar["trades"] for key, bar in bars.items()} == {NINE - MINUTE: 1, NINE: 2}


def test_no_zone_of_the_host_leaks_into_days_and_hours(frames, spark) -> None:
    """A trade of 20:00 UTC, which is the next day in India, where this machine is told to be."""
    evening = NINE + 11 * 60 * MINUTE
    assert (time.tzname[0], spark._jvm.java.util.TimeZone.getDefault().getID()) == ("IST", "Asia/Kolkata")
    trades = frames.trades([trade(evening + 30_000, "1")])
    minute = to_minute_rows(to_bars(trades)).withColumn("ts", F.unix_millis("ts")).first()
    silver = to_silver(trades).withColumn("bucket", F.unix_millis("bucket")).first()
    (day,) = to_day_rows(to_bars(trades, "1 day")).collect()
    assert (minute.day.isoformat(), minute.ts, silver.bucket) == ("2021-01-08", evening, evening)
    assert day.day.isoformat() == "2021-01-08"


@pytest.mark.parametrize("midnight", ["2026-03-08", "2026-11-01", "2026-03-29", "2026-10-25"])
def test_a_day_in_which_clocks_change_has_24_hours_of_60_minutes(frames, midnight: str) -> None:
    """In New York and in Europe, forwards and back."""
    start = int(datetime.fromisoformat(f"{midnight}T00:00+00:00").timestamp()) * 1000
    trades = frames.trades([trade(start + hour * 60 * MINUTE, "1", index=hour) for hour in range(24)])
    hours = to_silver(trades).select(F.unix_millis("bucket").alias("at")).collect()
    assert sorted(row.at for row in hours) == [start + hour * 60 * MINUTE for hour in range(24)]
    (day,) = to_day_rows(to_bars(trades, "1 day")).collect()
    assert (day.day.isoformat(), day.trades) == (midnight, 24)


def test_days_are_utc_days(frames) -> None:
    midnight = 1_610_150_400_000
    rows = to_day_rows(to_bars(frames.trades([trade(midnight - 1, "1"), trade(midnight, "2")]), "1 day")).collect()
    assert {row.day.isoformat(): row.close for row in rows} == {"2021-01-08": "1", "2021-01-09": "2"}


def test_silver_rows(frames) -> None:
    before = int(time.time() * 1000) - 1
    sent = trade(NINE + 123, "39432.480", "0.50", conditions=("1", "2"), received_at=(NINE + 200) * 1000 + 7)
    (row,) = (
        to_silver(frames.trades([sent]))
        .select(
            "*", F.unix_millis("bucket").alias("hour"), F.unix_millis("ts").alias("at"),
            F.unix_micros("received_at").alias("received"), F.unix_millis("ingested_at").alias("ingested"),
        )
        .collect()
    )  # fmt: skip
    assert [column for column in row.asDict() if column in {c.name for c in model.TRADES_SILVER}] == [
        "symbol", "bucket", "ts", "trade_id", "price", "volume", "conditions", "received_at", "ingested_at",
    ]  # fmt: skip
    assert (row.symbol, row.trade_id, row.conditions) == ("A", sent.trade_id, ["1", "2"])
    assert (row.price, row.volume) == ("39432.48", "0.5")
    assert (row.hour, row.at, row.received) == (NINE, NINE + 123, sent.received_at)
    assert before <= row.ingested <= time.time() * 1000 + 1


def test_ingested_at_is_the_moment_of_the_row_not_of_the_batch(frames, spark) -> None:
    many = [trade(NINE, index=index) for index in range(300)]
    slow = frames.trades(many).withColumn("source", F.expr("sha2(repeat(trade_id, 20000), 256)")).where("source > ''")
    times = to_silver(slow).select(F.unix_millis("ingested_at").alias("at")).agg(F.min("at"), F.max("at")).first()
    assert times[1] - times[0] >= 20


def test_latest_rows_carry_their_own_write_time(frames) -> None:
    trades = [
        trade(NINE + 5, "1", seq=0, index=0),
        trade(NINE + 5, "2", seq=1, index=1),
        trade(NINE + 5, "3", seq=5_000, index=2),
        trade(NINE + 4, "9", seq=999, index=3),
    ]
    rows = {row.price: row[WRITETIME] for row in to_latest(frames.trades(trades)).collect()}
    assert rows == {
        "1": (NINE + 5) * 1000, "2": (NINE + 5) * 1000 + 1, "3": (NINE + 5) * 1000 + 999, "9": (NINE + 4) * 1000 + 999,
    }  # fmt: skip


def test_a_canary_has_no_latest_price(frames) -> None:
    both = frames.trades([trade(), canary(time.time_ns() // 1000)])
    assert [row.symbol for row in to_latest(both).collect()] == [trade().symbol]
    assert {row.symbol for row in to_silver(both).collect()} == {trade().symbol, CANARY}


def test_a_canary_that_nobody_waits_for_any_more_is_not_written(frames) -> None:
    """It was removed long ago: a stream that reads Kafka again may not bring it back."""
    both = frames.trades([trade(), canary(NINE * 1000)])
    assert [row.symbol for row in to_silver(both).collect()] == [trade().symbol]


def test_a_price_update_without_volume_moves_the_latest_price(frames) -> None:
    """Forex never has a volume: a rule that calls it invalid would make every such symbol vanish."""
    trades = [
        trade(NINE, "1.0831", "0", symbol="OANDA:EUR_USD"),
        trade(NINE + 1, "1.0832", "0", symbol="OANDA:EUR_USD", index=1),
    ]
    (row,) = newest(to_latest(frames.trades(trades)))
    assert (row.symbol, row.price, row.volume) == ("OANDA:EUR_USD", "1.0832", "0")


def test_a_late_report_of_an_old_trade_is_not_the_latest_price(frames) -> None:
    late = trade(NINE, "999", received_at=(NINE + 5 * MINUTE) * 1000)
    rows = newest(to_latest(frames.trades([trade(NINE + MINUTE, "10"), late])))
    assert [row.price for row in rows] == ["10"]


def test_of_a_batch_the_newest_row_of_each_symbol_is_kept(frames) -> None:
    trades = [
        trade(NINE + 5, "1", seq=0, index=0),
        trade(NINE + 5, "2", seq=1, index=1),
        trade(NINE + 4, "9", seq=0, index=2),
        trade(NINE, "7", symbol="B"),
    ]
    rows = newest(to_latest(frames.trades(trades)))
    assert {(row.symbol, row.price) for row in rows} == {("A", "2"), ("B", "7")}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("39432.480", "39432.48"), ("0.000000000000000001", "0.000000000000000001"), ("0", "0"), ("100", "100"),
        ("9999999999.999999999999999999", "9999999999.999999999999999999"), ("-1.50", "-1.5"),
        ("0.0000001", "0.0000001"),
    ],
)  # fmt: skip
def test_plain_digits(spark, number: str, text: str) -> None:
    frame = spark.sql(f"SELECT CAST('{number}' AS DECIMAL(28,18)) AS wide, CAST('{number}' AS DECIMAL(38,0)) AS whole")
    assert frame.select(plain(F.col("wide"))).first()[0] == text
    assert "." not in frame.select(plain(F.col("whole"))).first()[0]


def test_rows_of_the_minute_table(frames) -> None:
    (found,) = to_minute_rows(to_bars(frames.trades([trade(NINE + 1, "39432.48", "0.5")]))).collect()
    row = with_exact_vwap(found.asDict())
    # whether the bar is complete is not the trades' to say: the verdict stays as it is when the bar is written again
    assert set(row) == {column.name for column in model.OHLCV_1M if column is not model.COMPLETE}
    assert row["day"].isoformat() == "2021-01-08"
    assert (row["open"], row["volume"], row["vwap"], row["trades"]) == ("39432.48", "0.5", "39432.48", 1)


@pytest.mark.skipif(not SAMPLE.exists(), reason="the real sample is not part of the repository")
def test_the_real_minute(frames) -> None:
    trades = []
    seen: dict[int, int] = {}
    for number, line in enumerate(SAMPLE.read_text(encoding="utf-8").splitlines()):
        for index, each in enumerate(json.loads(line, parse_float=Decimal)["data"]):
            seq = seen[each["t"]] = seen.get(each["t"], -1) + 1
            received = (datetime(2021, 1, 8, 0, 2, tzinfo=UTC).timestamp() * 1_000_000) + number
            trades.append(
                Trade(each["s"], Decimal(each["p"]), Decimal(each["v"]), each["t"],
                      model.trade_id(int(received), index), seq, "replay", int(received))
            )  # fmt: skip
    random.Random(3).shuffle(trades)
    (bar,) = bars_of(frames.trades(trades)).values()
    assert {name: bar[name] for name in FIGURES if name != "vwap"} == {
        "open": Decimal("39432.48"), "high": Decimal("39550.0"), "low": Decimal("39430.3"),
        "close": Decimal("39491.76"), "volume": Decimal("87.071596"), "trades": 2001,
    }  # fmt: skip
    assert bar == next(iter(reference(trades).values()))
