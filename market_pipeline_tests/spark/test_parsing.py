"""A record is a trade for Spark exactly when it is one for ``model.decode``, and otherwise for the same reason."""

import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from market_pipeline import model
from market_pipeline.model import RejectedTrade, Rejection, Trade
from market_pipeline.model.characters import _RANGES
from market_pipeline.stream.parsing import parse, valid, with_rejection

RECEIVED = 1_610_064_000_200_000
GOOD = Trade(
    symbol="BINANCE:BTCUSDT",
    price=Decimal("39432.48"),
    volume=Decimal("0.025"),
    ts=1_610_064_000_123,
    trade_id=model.trade_id(RECEIVED, 7),
    seq=2,
    source="finnhub",
    received_at=RECEIVED,
    conditions=("1", "24"),
)
TEXT = model.encode(GOOD).decode()


def changed(name: str, literal: str) -> bytes:
    """The good record with one value replaced by other JSON text."""
    fields = {key: json.dumps(value) for key, value in json.loads(TEXT).items()}
    fields |= {"price": "39432.48", "volume": "0.025", name: literal}
    return ("{" + ",".join(f'"{key}":{value}' for key, value in fields.items()) + "}").encode()


def without(name: str) -> bytes:
    record = json.loads(TEXT)
    del record[name]
    return json.dumps(record).encode()


ACCEPTED = {
    "as the producer writes it": TEXT.encode(),
    "with spaces": json.dumps(json.loads(TEXT)).encode(),
    "keys in another order": json.dumps(dict(reversed(json.loads(TEXT).items())), indent=1).encode(),
    "a field more": TEXT.replace("{", '{"venue":"X{}",', 1).encode(),
    "a field more with a list": TEXT.replace("{", '{"flags":[1,"a",null,true,-2.5e3],', 1).encode(),
    "no conditions": without("conditions"),
    "conditions null": changed("conditions", "null"),
    "conditions empty": changed("conditions", "[]"),
    "conditions numbers": changed("conditions", '[1, "b"]'),
    "volume zero": changed("volume", "0"),
    "volume zero with an exponent": changed("volume", "0e5"),
    "volume zero with many zeros": changed("volume", "0.00e-40"),
    "volume minus zero": changed("volume", "-0.0"),
    "price as an exponent": changed("price", "3.94e4"),
    "small exponent": changed("volume", "1.5e-07"),
    "smallest exponent": changed("volume", "1E-18"),
    "18 decimals": changed("price", "0.000000000000000001"),
    "19 decimals, the last a zero": changed("price", "0.0000000000000000010"),
    "500 decimals": changed("price", "1." + "0" * 500),
    "28 digits": changed("price", "9999999999.999999999999999999"),
    "largest volume": changed("volume", "99999999999999.999999999999999999"),
    "quotes in the symbol": changed("symbol", json.dumps('A"B\\C:{"price":1}')),
    "a symbol that isn't ASCII": changed("symbol", '"Zürich"'),
    "a symbol as long as a key may be": changed("symbol", json.dumps("😀" * 1_000)),
    "a trade_id as long as a key may be": changed("trade_id", json.dumps("1" * 1_000)),
    "escapes": changed("symbol", '"\\u0041\\/\\ud83d\\uDE80"'),
    "an escaped backslash before what looks like an escape": changed("symbol", '"\\\\ud800"'),
    "codes that aren't ASCII": changed("conditions", '["Zürich", "日"]'),
    "just before the limit": changed("ts", str(RECEIVED // 1000 + 60_000)),
    "the first moment of 2000": changed("ts", "946684800000"),
    "largest seq": changed("seq", str(2**31 - 1)),
}

REJECTED = {
    "empty": b"",
    "rubbish": b"rubbish",
    "a torn record": TEXT[:60].encode(),
    "two records in one": (TEXT + TEXT).encode(),
    "two records with a comma": (TEXT + "," + TEXT).encode(),
    "a bracket too many": (TEXT + "]").encode(),
    "something behind": (TEXT + " x").encode(),
    "single quotes": TEXT.replace('"', "'").encode(),
    "not UTF-8": TEXT.encode().replace(b"finnhub", b"finn\xffhub"),
    "control character in text": TEXT.replace("finnhub", "finn\nhub").encode(),
    "bad escape": TEXT.replace("finnhub", "finn\\qhub").encode(),
    "null": b"null",
    "a number": b"5",
    "a list": f"[{TEXT}]".encode(),
    "text": b'"text"',
    **{f"no {column.name}": without(column.name) for column in model.TRADE_RECORD if column.name != "conditions"},
    "price null": changed("price", "null"),
    "volume null": changed("volume", "null"),
    "ts null": changed("ts", "null"),
    "symbol null": changed("symbol", "null"),
    "symbol empty": changed("symbol", '""'),
    "symbol a number": changed("symbol", "5"),
    "symbol a list": changed("symbol", '["A"]'),
    "symbol one character too long for a key": changed("symbol", json.dumps("ü" * 1_001)),
    "symbol of 70,000 characters": TEXT.replace("BTCUSDT", "B" * 70_000).encode(),
    "trade_id of 70,000 characters": changed("trade_id", json.dumps("1" * 70_000)),
    "a long trade_id and no codes": changed("conditions", "5").replace(b'-00007"', b"0" * 70_000 + b'"'),
    "trade_id a number": changed("trade_id", "5"),
    "trade_id null": changed("trade_id", "null"),
    "source false": changed("source", "false"),
    "seq in quotes": changed("seq", '"1"'),
    "seq a fraction": changed("seq", "1.5"),
    "seq negative": changed("seq", "-1"),
    "received_at negative": changed("received_at", f"-{RECEIVED}"),
    "seq true": changed("seq", "true"),
    "seq too large": changed("seq", str(2**31)),
    "received_at in quotes": changed("received_at", f'"{RECEIVED}"'),
    "received_at after the year 9999": changed("received_at", "253402300800000000"),
    "received_at beyond a long": changed("received_at", "9" * 25),
    "price in quotes": changed("price", '"1.5"'),
    "price true": changed("price", "true"),
    "price a list": changed("price", "[1]"),
    "price an object": changed("price", '{"a":1}'),
    "price NaN": changed("price", "NaN"),
    "price Infinity": changed("price", "Infinity"),
    "volume -Infinity": changed("volume", "-Infinity"),
    "ts NaN": changed("ts", "NaN"),
    "seq Infinity": changed("seq", "Infinity"),
    "trade_id NaN": changed("trade_id", "NaN"),
    "conditions of NaN": changed("conditions", '["1", NaN]'),
    "price NaN in quotes": changed("price", '"NaN"'),
    "price zero": changed("price", "0"),
    "price negative": changed("price", "-1.5"),
    "volume negative": changed("volume", "-0.1"),
    "price too large": changed("price", "10000000000"),
    "more than 500 decimals": changed("price", "1." + "0" * 501),
    "price zero with more than 500 decimals": changed("price", "0." + "0" * 501),
    "price of a million digits": changed("price", "9" * 1_000_000),
    "ts of a million digits": changed("ts", "9" * 1_000_000),
    "price twice": TEXT.replace("{", '{"price":1e-99999999,', 1).encode(),
    "volume twice, with a gap": TEXT.replace("{", '{"volume" : 1 ,', 1).encode(),
    "price far too large": changed("price", "1e40"),
    "price absurd": changed("price", "1e999999999"),
    "price absurdly small": changed("price", "1e-999999999"),
    "price of a thousand digits": changed("price", "9" * 999),
    "volume too large": changed("volume", "1e14"),
    "price with 19 decimals": changed("price", "1.0000000000000000001"),
    "volume with 19 decimals by exponent": changed("volume", "1.5e-18"),
    "volume below what fits": changed("volume", "1e-19"),
    "ts in quotes": changed("ts", '"1610064000123"'),
    "ts a fraction": changed("ts", "1610064000123.5"),
    "ts of 1970": changed("ts", "1"),
    "ts negative": changed("ts", "-1610064000123"),
    "ts in seconds": changed("ts", "1610064000"),
    "ts over a minute after the receipt": changed("ts", str(RECEIVED // 1000 + 60_001)),
    "ts in microseconds": changed("ts", "1610064000123000"),
    "ts with an exponent": changed("ts", "1610064000.123e3"),
    "ts with a point": changed("ts", "1610064000123.0"),
    "ts far below zero": changed("ts", "-" + "9" * 45),
    "ts far above": changed("ts", "9" * 45),
    "ts beyond a long": changed("ts", "9" * 20),
    **{
        f"{name} with {character!a}": changed(
            name, json.dumps([f"a{character}"] if name == "conditions" else character)
        )
        for name in ("symbol", "conditions")
        for character in ("\0", "\x1b", "\x7f", "\x9b", "\u200b", "\u2028", "\u2029", "\u202e", "\ufeff", "\U000e0041")
    },
    "symbol with a control character as it is": changed("symbol", '"A\x9bB"'),
    "half a surrogate pair in the symbol": changed("symbol", '"A\\ud800"'),
    "half a surrogate pair in a condition": changed("conditions", '["\\uDC00\\ud800"]'),
    "half a surrogate pair in the source": changed("source", '"\\ud83dx\\ude80"'),
    "half a surrogate pair where nobody looks": TEXT.replace("{", '{"venue":"\\udfff",', 1).encode(),
    "half a surrogate pair in bytes": TEXT.encode().replace(b"BTC", b"\xed\xa0\x80"),
    "a byte-order mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "conditions of truth": changed("conditions", "[true]"),
    "conditions text": changed("conditions", '"1"'),
    "conditions an object": changed("conditions", "{}"),
    "conditions of fractions": changed("conditions", "[1.5]"),
    "conditions of nulls": changed("conditions", "[null]"),
    "conditions of lists": changed("conditions", '[["1"]]'),
    "an object more": TEXT.replace("{", '{"venue":{"a":1},', 1).encode(),
    "a megabyte of one text": changed("source", "5").replace(b"BTCUSDT", b"B" * 1_000_000),
    "a megabyte of codes": changed("conditions", "[" + ",".join(['"1"'] * 250_000) + ",null]"),
    "a megabyte of brackets": b"[" * 1_000_000,
    "a megabyte of members": json.dumps({f"a{number}": 1 for number in range(90_000)}).encode(),
}


def expected(value: bytes) -> Trade | Rejection:
    try:
        return model.decode(value)
    except RejectedTrade as rejection:
        return rejection.reason


class Outcome:
    """What Spark made of records, by their place."""

    def __init__(self, frames, values: list[bytes]) -> None:
        parsed = parse(frames.records(values).withColumn("place", F.monotonically_increasing_id()))
        self.reasons = {
            row.place: (row.rejection.reason, row.rejection.detail)
            for row in with_rejection(parsed).where("NOT is_trade").collect()
        }
        kept = parsed.where("is_trade").select("place", "trade.*").collect()
        self.trades = {row.place: row for row in kept}
        self.valid = valid(parsed).count()


def same(row, trade: Trade) -> bool:
    names = [column.name for column in model.TRADE_RECORD if column.name != "conditions"]
    conditions = tuple(row.conditions or ())
    return conditions == trade.conditions and all(row[name] == getattr(trade, name) for name in names)


@pytest.fixture(scope="module")
def accepted(frames) -> Outcome:
    return Outcome(frames, list(ACCEPTED.values()))


@pytest.fixture(scope="module")
def refused(frames) -> Outcome:
    return Outcome(frames, list(REJECTED.values()))


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepts(accepted: Outcome, name: str) -> None:
    place = list(ACCEPTED).index(name)
    trade = expected(ACCEPTED[name])
    assert isinstance(trade, Trade)
    assert accepted.reasons.get(place) is None
    assert same(accepted.trades[place], trade)


@pytest.mark.parametrize("name", REJECTED)
def test_rejects_for_the_same_reason_as_the_model(refused: Outcome, name: str) -> None:
    place = list(REJECTED).index(name)
    reason = expected(REJECTED[name])
    assert isinstance(reason, Rejection)
    assert place not in refused.trades
    assert refused.reasons[place][0] == reason.value
    assert 0 < len(refused.reasons[place][1]) < 200


def test_each_record_is_either_a_trade_or_rejected(accepted: Outcome, refused: Outcome) -> None:
    assert accepted.valid == len(ACCEPTED)
    assert not accepted.reasons
    assert refused.valid == 0
    assert len(refused.reasons) == len(REJECTED)


NUMBERS = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=Decimal("-1e16"), max_value=Decimal("1e16")).map(str),
    st.from_regex(r"\A-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?\Z"),
    st.floats().map(json.dumps),
    st.integers(-(10**20), 10**20).map(str),
)
VALUES = st.one_of(NUMBERS, st.text(max_size=8).map(json.dumps), st.sampled_from(["null", "true", "[]", "{}", '["1"]']))
FIELDS = st.sampled_from([column.name for column in model.TRADE_RECORD])


EDGES = sorted({point + step for pair in _RANGES for point in pair for step in (-1, 0, 1)} - {-1})
HIDDEN = st.sampled_from([*map(chr, EDGES)])
PIECES = st.lists(st.one_of(st.characters(exclude_categories=("Cs",)), HIDDEN), min_size=1, max_size=6).map("".join)
ESCAPED = st.lists(st.sampled_from(["A", "\\\\", "\\ud83d", "\\ude80", "\\u202e", "\\n", "é"]), min_size=1, max_size=5)
TEXTS = st.one_of(
    PIECES.map(json.dumps),
    PIECES.map(lambda text: json.dumps(text, ensure_ascii=False)),
    ESCAPED.map(lambda parts: f'"{"".join(parts)}"'),
)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(st.lists(st.tuples(st.booleans(), TEXTS), min_size=100, max_size=100))
def test_agrees_with_the_model_on_any_character(frames, texts: list[tuple[bool, str]]) -> None:
    records = [
        changed("symbol", text) if is_symbol else changed("conditions", f'["1",{text}]') for is_symbol, text in texts
    ]
    check_agreement(frames, records)


def test_agrees_with_the_model_at_the_edges_of_every_forbidden_range(frames) -> None:
    check_agreement(frames, [changed("symbol", json.dumps(chr(point))) for point in EDGES])


# each example is a Spark job: many records in each, and no shrinking
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(st.lists(st.tuples(FIELDS, VALUES), min_size=60, max_size=60))
def test_agrees_with_the_model_on_anything(frames, changes: list[tuple[str, str]]) -> None:
    check_agreement(frames, [changed(name, literal) for name, literal in changes])


def check_agreement(frames, records: list[bytes]) -> None:
    outcome = Outcome(frames, records)
    for place, record in enumerate(records):
        answer = expected(record)
        if isinstance(answer, Trade):
            assert place in outcome.trades, record
            assert same(outcome.trades[place], answer), record
        else:
            assert outcome.reasons[place][0] == answer.value, record
