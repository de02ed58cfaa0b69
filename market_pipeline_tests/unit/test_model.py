"""The model of a trade: what is accepted, what is a dead letter and why, and that digits survive."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline import model
from market_pipeline.model import RejectedTrade, Rejection, Trade, decode, encode, trade_id

RECEIVED_AT = 1_763_000_000_000_000
GOOD: dict[str, Any] = {
    "symbol": "BINANCE:BTCUSDT", "price": 39432.48, "volume": 0.000263, "ts": RECEIVED_AT // 1000, "conditions": ["1"],
    "trade_id": trade_id(RECEIVED_AT, 0), "seq": 0, "source": "finnhub", "received_at": RECEIVED_AT,
}  # fmt: skip


def record(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def without(name: str) -> bytes:
    return json.dumps({key: value for key, value in GOOD.items() if key != name}).encode()


digits = st.decimals(min_value=Decimal("1e-18"), max_value=Decimal("9999999999"), places=18)
visible = st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp", "Cn"))
trades = st.builds(
    Trade,
    symbol=st.text(visible, min_size=1, max_size=30),
    price=digits,
    volume=st.decimals(min_value=0, max_value=Decimal("99999999999999"), places=18),
    ts=st.integers(model.EARLIEST_TS_MS, RECEIVED_AT // 1000 + model.MAX_AHEAD_MS),
    trade_id=st.integers(0, 99_999).map(lambda index: trade_id(RECEIVED_AT, index)),
    seq=st.integers(0, 5_000),
    source=st.sampled_from(["finnhub", "simulator", "replay"]),
    received_at=st.just(RECEIVED_AT),
    conditions=st.lists(st.text(visible, max_size=5), max_size=4).map(tuple),
)


@given(trades)
def test_a_trade_survives_the_way_through_kafka_to_the_last_digit(trade: Trade) -> None:
    assert decode(encode(trade)) == trade
    assert str(decode(encode(trade)).price.normalize()) == str(trade.price.normalize())


def test_numbers_are_json_numbers_without_exponent() -> None:
    trade = decode(record(price=1e-7, volume=1e13))
    assert b'"price":0.0000001,' in encode(trade)
    assert b'"volume":10000000000000' in encode(trade)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", Rejection.MALFORMED_JSON),
        (b'{"symbol":', Rejection.MALFORMED_JSON),
        (b"\xff\xfe", Rejection.MALFORMED_JSON),
        (b"[" * 100_000, Rejection.MALFORMED_JSON),
        (b"[]", Rejection.NOT_AN_OBJECT),
        (b"null", Rejection.NOT_AN_OBJECT),
        (without("price"), Rejection.MISSING_FIELD),
        (without("symbol"), Rejection.MISSING_FIELD),
        (without("trade_id"), Rejection.MISSING_FIELD),
        (record(symbol=""), Rejection.MISSING_FIELD),
        (record(symbol=5), Rejection.WRONG_TYPE),
        (record(symbol="A" * 1_001), Rejection.TOO_LARGE),
        (record(trade_id="1" * 1_001), Rejection.TOO_LARGE),
        (record(price=None), Rejection.MISSING_FIELD),
        (record(price="1.0"), Rejection.WRONG_TYPE),
        (record(price=True), Rejection.WRONG_TYPE),
        (record(price=float("nan")), Rejection.NOT_FINITE),
        (record(price=float("inf")), Rejection.NOT_FINITE),
        (record(volume=float("-inf")), Rejection.NOT_FINITE),
        (record(price=0), Rejection.PRICE_NOT_POSITIVE),
        (record(price=-1.5), Rejection.PRICE_NOT_POSITIVE),
        (record(price=1e10), Rejection.OUT_OF_RANGE),
        (record(price=1e300), Rejection.OUT_OF_RANGE),
        (record(volume=-0.1), Rejection.VOLUME_NEGATIVE),
        (record(volume=1e14), Rejection.OUT_OF_RANGE),
        (record(price=1.5e-19), Rejection.TOO_MANY_DIGITS),
        (
            b'{"symbol":"A","price":1,"volume":99999999999999.0000000000000000001,"ts":1763000000000,"conditions":[],'
            b'"trade_id":"x","seq":0,"source":"s","received_at":1763000000000000}',
            Rejection.TOO_MANY_DIGITS,
        ),
        (record(ts=0), Rejection.BEFORE_2000),
        (record(ts=RECEIVED_AT // 1000 + model.MAX_AHEAD_MS + 1), Rejection.IN_THE_FUTURE),
        (record(ts=RECEIVED_AT), Rejection.IN_THE_FUTURE),
        (record(ts="now"), Rejection.WRONG_TYPE),
        (record(ts=1763000000000.5), Rejection.WRONG_TYPE),
        (record(conditions="1"), Rejection.WRONG_TYPE),
        (record(seq="0"), Rejection.WRONG_TYPE),
    ],
)
def test_what_is_not_a_trade_is_rejected_with_its_reason(value: bytes, reason: Rejection) -> None:
    with pytest.raises(RejectedTrade) as caught:
        decode(value)
    assert caught.value.reason is reason
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("number", ["1e999999999", "-1e999999999", "1e-999999999", "1e9999999999999999999"])
@pytest.mark.parametrize("name", ["price", "volume", "ts", "seq", "received_at"])
def test_a_number_with_a_huge_exponent_is_rejected_before_it_is_written_out(name: str, number: str) -> None:
    value = record(**{name: "HERE"}).replace(b'"HERE"', number.encode())
    with pytest.raises(RejectedTrade) as caught:
        decode(value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("ts", "reason"),
    [
        ("1e999999999", Rejection.IN_THE_FUTURE),
        ("1e18", Rejection.IN_THE_FUTURE),
        ("-1e999999999", Rejection.BEFORE_2000),
        ("0e999999999", Rejection.BEFORE_2000),
        ("1e-999999999", Rejection.WRONG_TYPE),
    ],
)
def test_an_event_time_with_a_huge_exponent_is_judged_by_its_size(ts: str, reason: Rejection) -> None:
    with pytest.raises(RejectedTrade) as caught:
        model.check_ts(Decimal(ts), RECEIVED_AT)
    assert caught.value.reason is reason


def test_an_event_time_may_be_written_with_an_exponent() -> None:
    assert model.check_ts(Decimal("1.763e12"), RECEIVED_AT) == 1_763_000_000_000


@pytest.mark.parametrize("volume", [0, 0.0])
def test_volume_0_is_a_price_update_not_an_error(volume: float) -> None:
    assert decode(record(volume=volume)).volume == 0


def test_trailing_zeros_beyond_the_scale_are_not_too_many_digits() -> None:
    value = record(price=1).replace(b'"price": 1', b'"price": 1.5' + b"0" * 30)
    assert decode(value).price == Decimal("1.5")


def test_ids_sort_in_order_of_arrival() -> None:
    ids = [trade_id(RECEIVED_AT + step, index) for step in (0, 1, 10, 10**6) for index in (0, 1, 9, 10, 99_999)]
    assert ids == sorted(ids)
    assert len({len(identity) for identity in ids}) == 1


def test_a_stored_trade_has_the_time_of_the_exchange_of_its_receipt_and_of_its_writing() -> None:
    names = [column.name for column in model.TRADES_SILVER if column.kind is model.Kind.TIMESTAMP]
    assert names == ["bucket", "ts", "received_at", "ingested_at"]


def test_the_schema_says_that_a_bar_is_named_by_its_start() -> None:
    meanings = {column.name: column.meaning for column in model.OHLCV_1M}
    assert meanings["ts"] == "Start of the minute (UTC)"


def test_names_and_types_are_told_once() -> None:
    assert [column.name for column in model.TRADE_RECORD] == [
        "symbol", "price", "volume", "ts", "conditions", "trade_id", "seq", "source", "received_at",
    ]  # fmt: skip
    assert json.loads(encode(decode(record()))).keys() == {column.name for column in model.TRADE_RECORD}
    assert "`price` DECIMAL(28,18)" in model.spark_ddl(model.TRADE_RECORD)


@pytest.mark.parametrize("text", ["-0", "-0.0", "-0E-7"])
def test_a_volume_of_minus_zero_is_one_of_zero(text: str) -> None:
    volume = model.check_volume(Decimal(text))
    assert (volume, volume.is_signed()) == (0, False)
