"""Which dead letters are trades by today's rules, and as which row they come back."""

import json
from decimal import Decimal

import pytest

from market_pipeline.broker.records import Record
from market_pipeline.feed.journal.frame import Frame
from market_pipeline.feed.normalise import DeadLetter, Normaliser
from market_pipeline.model import Trade, encode, trade_id
from market_pipeline.remedies.dead_letter_replay import NotAMoment, epoch_ms, judge

RECEIVED_US = 1_764_000_000_000_000
TRADE = Trade(
    "AAPL", Decimal("230.5"), Decimal(3), RECEIVED_US // 1000, trade_id(RECEIVED_US, 1), 0, "finnhub", RECEIVED_US
)


def letter(value: bytes, **headers: object) -> Record:
    told = tuple((name, str(text).encode()) for name, text in headers.items())
    return Record(0, 5, RECEIVED_US // 1000, None, value, told)


def of_feed(value: bytes, index: int, **more: object) -> Record:
    return letter(value, origin="feed", reason="x", received_at=RECEIVED_US, index=index, **more)


def test_a_record_of_the_topic_that_is_a_trade_now_is_that_trade() -> None:
    assert judge(letter(encode(TRADE), origin="stream", reason="x"), "finnhub") == ([TRADE], None)


def test_one_that_is_none_tells_todays_reason() -> None:
    assert judge(letter(b"{", origin="stream"), "finnhub") == ([], "malformed_json")


def test_an_element_comes_back_with_the_identity_of_its_place() -> None:
    """As the producer would have made it, had its rules been today's."""
    elements = [{"s": "AAPL", "p": 1.5, "t": RECEIVED_US // 1000, "v": 2, "c": None}] * 3
    frame = Frame(RECEIVED_US, json.dumps({"type": "trade", "data": elements}).encode(), "finnhub")
    want = Normaliser("finnhub").items(frame)[2]
    assert isinstance(want, Trade)
    (got,), reason = judge(of_feed(json.dumps(elements[2]).encode(), 2), "finnhub")
    assert reason is None
    assert (got.trade_id, got.symbol, got.price, got.received_at) == (
        want.trade_id, want.symbol, want.price, want.received_at,
    )  # fmt: skip


def test_a_whole_frame_comes_back_as_all_its_trades() -> None:
    good = {"s": "AAPL", "p": 1.5, "t": RECEIVED_US // 1000, "v": 2}
    payload = json.dumps({"type": "trade", "data": [good, {"s": "AAPL"}, good]}).encode()
    trades, reason = judge(of_feed(payload, -1), "finnhub")
    assert [trade.trade_id for trade in trades] == [trade_id(RECEIVED_US, 0), trade_id(RECEIVED_US, 2)]
    assert reason is not None  # one of it is none yet


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (of_feed(b'{"s": "AAPL"}', 0), "missing"),
        (of_feed(b'{"s": "AAPL', 0, bytes=9_000_000), "cut off"),
        (letter(b"{}", origin="feed"), "no receive time"),
        (of_feed(b'{"type":"ping"}', -1), "no trade"),
    ],
)
def test_what_is_no_trade_stays_where_it_is(record: Record, reason: str) -> None:
    trades, told = judge(record, "finnhub")
    assert trades == []
    assert told is not None
    assert reason in told


def test_times_are_utc_unless_told_otherwise() -> None:
    assert epoch_ms(None) == 0
    assert epoch_ms("2026-11-24T14:30:00") == epoch_ms("2026-11-24T15:30:00+01:00") == 1_795_530_600_000
    with pytest.raises(NotAMoment, match="'noon' is not a time"):
        epoch_ms("noon")


def test_a_letter_that_todays_producer_would_write_is_none_today() -> None:
    frame = Frame(RECEIVED_US, b'{"type":"trade","data":[{"s":"AAPL","p":-1,"t":1764000000000,"v":1}]}', "finnhub")
    (rejected,) = Normaliser("finnhub").items(frame)
    assert isinstance(rejected, DeadLetter)
    assert judge(of_feed(rejected.value, rejected.index), "finnhub") == ([], str(rejected.reason))
