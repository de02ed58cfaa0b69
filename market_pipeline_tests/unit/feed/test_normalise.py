"""From frames to trades: every element for itself, every digit kept, nothing that arrives can break it."""

import json
import random
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.feed.journal import Frame, Journal, read_frames
from market_pipeline.feed.normalise import WHOLE_FRAME, DeadLetter, Normaliser, Sequence, trades_of
from market_pipeline.feed.recorded import Mark, marked
from market_pipeline.model import MAX_SEQ, Rejection, Trade, decode, encode
from market_pipeline_tests.unit.feed.conftest import SAMPLE, needs_sample

RECEIVED_AT = 1_763_000_000_000_000
TS = RECEIVED_AT // 1000


def items(text: str | bytes, received_at: int = RECEIVED_AT) -> list[Trade | DeadLetter]:
    payload = text if isinstance(text, bytes) else text.encode()
    return Normaliser("finnhub").items(Frame(received_at, payload))


def message(*elements: str) -> str:
    return '{"type":"trade","data":[' + ",".join(elements) + "]}"


def element(**changes: str) -> str:
    fields = {"s": '"AAPL"', "p": "189.5", "t": str(TS), "v": "100", "c": '["1"]'} | changes
    return "{" + ",".join(f'"{name}":{text}' for name, text in fields.items() if text) + "}"


def rejected(text: str) -> DeadLetter:
    (letter,) = items(message(text))
    assert isinstance(letter, DeadLetter), letter
    return letter


def test_a_trade_and_its_identity() -> None:
    assert items(message(element(), element(s='"BINANCE:BTCUSDT"', v="0.000263"))) == [
        Trade("AAPL", Decimal("189.5"), Decimal(100), TS, "1763000000000000-00000", 0, "finnhub", RECEIVED_AT, ("1",)),
        Trade(
            "BINANCE:BTCUSDT", Decimal("189.5"), Decimal("0.000263"), TS,
            "1763000000000000-00001", 0, "finnhub", RECEIVED_AT, ("1",),
        ),
    ]  # fmt: skip


def test_a_slow_clock_is_told_from_a_vendors_slip() -> None:
    ahead = message(*[element(t=str(TS + 90_000))] * 5)
    slow = Normaliser("finnhub")
    slow.items(Frame(RECEIVED_AT, ahead.encode()))
    assert not slow.clock_is_slow
    slow.items(Frame(RECEIVED_AT + 1, ahead.encode()))
    assert slow.clock_is_slow
    for number in range(11):
        slow.items(Frame(RECEIVED_AT + 2 + number, message(element()).encode()))
    assert not slow.clock_is_slow


def test_twins_have_identities_of_their_own_for_it_comes_neither_from_time_nor_from_value() -> None:
    """Equal in symbol, time, price and volume: twice in one message, and once more in a later one."""
    got = [*items(message(element(), element())), *items(message(element()), RECEIVED_AT + 1)]
    assert len({trade.trade_id for trade in got if isinstance(trade, Trade)}) == 3
    assert len({(trade.symbol, trade.ts, trade.price, trade.volume) for trade in got if isinstance(trade, Trade)}) == 1


def test_a_trade_that_was_received_before_it_was_made_keeps_both_times() -> None:
    """The vendor's clock and ours are two clocks: a latency below zero is clipped nowhere."""
    (trade,) = items(message(element(t=str(TS + 250))))
    assert isinstance(trade, Trade)
    assert (trade.ts, trade.received_at) == (TS + 250, RECEIVED_AT)
    assert decode(encode(trade)).received_at - trade.ts * 1000 == -250_000


def test_fractional_volumes_and_prices_survive_to_the_last_digit() -> None:
    for digits in ("0.000263", "0.1", "12345.678901234567", "1e-8", "0.123456789012345678"):
        (trade,) = items(message(element(p=digits, v=digits)))
        assert isinstance(trade, Trade)
        assert (trade.price, trade.volume) == (Decimal(digits), Decimal(digits))
        assert decode(encode(trade)) == trade


def test_volume_0_is_a_price_update_not_an_error() -> None:
    normaliser = Normaliser("finnhub")
    (update,) = normaliser.items(Frame(RECEIVED_AT, message(element(s='"OANDA:EUR_USD"', v="0")).encode()))
    assert isinstance(update, Trade)
    assert update.volume == 0
    assert (normaliser.trades, normaliser.price_updates, normaliser.rejected) == (1, 1, Counter())


def test_conditions_may_be_missing_null_or_numbers() -> None:
    got = items(message(element(c=""), element(c="null"), element(c='["1","12"]'), element(c="[24]")))
    assert [trade.conditions for trade in got if isinstance(trade, Trade)] == [(), (), ("1", "12"), ("24",)]


def test_times_may_run_backwards_within_a_message() -> None:
    got = items(message(*(element(t=str(TS - back)) for back in (0, 112, 263))))
    assert [trade.ts - TS for trade in got if isinstance(trade, Trade)] == [0, -112, -263]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (element(p="NaN"), Rejection.NOT_FINITE),
        (element(p="Infinity"), Rejection.NOT_FINITE),
        (element(v="-Infinity"), Rejection.NOT_FINITE),
        (element(p="-1.5"), Rejection.PRICE_NOT_POSITIVE),
        (element(p="0"), Rejection.PRICE_NOT_POSITIVE),
        (element(v="-3"), Rejection.VOLUME_NEGATIVE),
        (element(p="1e300"), Rejection.OUT_OF_RANGE),
        (element(p="99999999999"), Rejection.OUT_OF_RANGE),
        (element(p="1e-19"), Rejection.TOO_MANY_DIGITS),
        (element(p="1e-999999999"), Rejection.TOO_MANY_DIGITS),
        (element(v="12345678901234.1234567890123456789"), Rejection.TOO_MANY_DIGITS),
        (element(p='"189.5"'), Rejection.WRONG_TYPE),
        (element(p="true"), Rejection.WRONG_TYPE),
        (element(p="[1]"), Rejection.WRONG_TYPE),
        (element(c='"1"'), Rejection.WRONG_TYPE),
        (element(s="5"), Rejection.WRONG_TYPE),
        (element(s='["AAPL"]'), Rejection.WRONG_TYPE),
        (element(s='"\\ud800"'), Rejection.FORBIDDEN_CHARACTER),
        (element(s='"A\\u0000B"'), Rejection.FORBIDDEN_CHARACTER),
        (element(s='"\u202eLPAA"'), Rejection.FORBIDDEN_CHARACTER),
        (element(c='["1","\\u001b[2J"]'), Rejection.FORBIDDEN_CHARACTER),
        (element(c='["\\udc00"]'), Rejection.FORBIDDEN_CHARACTER),
        (element(c="[true]"), Rejection.WRONG_TYPE),
        (element(s='"' + "A" * 1001 + '"'), Rejection.TOO_LARGE),
        (element(t='"now"'), Rejection.WRONG_TYPE),
        (element(t="0"), Rejection.BEFORE_2000),
        (element(t="1763000000"), Rejection.BEFORE_2000),
        (element(t=str(TS + 60_001)), Rejection.IN_THE_FUTURE),
        (element(t="1e40"), Rejection.IN_THE_FUTURE),
        (element(t="1e999999999"), Rejection.IN_THE_FUTURE),
        (element(t="-1e999999999"), Rejection.BEFORE_2000),
        *((element(**{name: "1e9999999999999999999"}), Rejection.NOT_FINITE) for name in "pv"),
        (element(t="1e9999999999999999999"), Rejection.WRONG_TYPE),
        (element(c="[1e9999999999999999999]"), Rejection.WRONG_TYPE),
        (element(p="1e-9999999999999999999"), Rejection.NOT_FINITE),
        *((element(**{name: ""}), Rejection.MISSING_FIELD) for name in "sptv"),
        *((element(**{name: "null"}), Rejection.MISSING_FIELD) for name in "sptv"),
        (element(s='""'), Rejection.MISSING_FIELD),
        ("null", Rejection.NOT_AN_OBJECT),
        ("17", Rejection.NOT_AN_OBJECT),
        ("[]", Rejection.NOT_AN_OBJECT),
    ],
)
def test_what_is_not_a_trade_is_a_dead_letter_with_its_reason_and_bytes(text: str, reason: Rejection) -> None:
    letter = rejected(text)
    assert (letter.reason, letter.value, letter.received_at, letter.index) == (reason, text.encode(), RECEIVED_AT, 0)
    assert letter.detail


@pytest.mark.parametrize("bad", ['{ "s" : "AAPL", "p":NaN , "t":1,"v":"x" }', element(p="1e9999999999999999999")])
def test_one_bad_element_of_many_costs_no_other(bad: str) -> None:
    elements = [element(p=str(100 + n)) for n in range(50)]
    elements[17] = bad
    got = items(message(*elements))
    assert [index for index, item in enumerate(got) if isinstance(item, DeadLetter)] == [17]
    letter = got[17]
    assert isinstance(letter, DeadLetter)
    assert (letter.value, letter.index) == (elements[17].encode(), 17)
    trades = [item for item in got if isinstance(item, Trade)]
    assert [trade.trade_id[-5:] for trade in trades] == [f"{n:05d}" for n in range(50) if n != 17]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"not json", Rejection.MALFORMED_JSON),
        (b'{"type":"trade","data":[', Rejection.MALFORMED_JSON),
        (b"", Rejection.MALFORMED_JSON),
        (b"\xff\xfe\x00", Rejection.MALFORMED_JSON),
        (b"[" * 100_000, Rejection.MALFORMED_JSON),
        (b'{"a":' + b"9" * 5000 + b"}", Rejection.MALFORMED_JSON),
        (b"[1,2]", Rejection.NOT_AN_OBJECT),
        (b'"trade"', Rejection.NOT_AN_OBJECT),
        (b"null", Rejection.NOT_AN_OBJECT),
        (b'{"type":"trade","data":{"s":"AAPL"}}', Rejection.WRONG_TYPE),
    ],
)
def test_a_frame_that_is_not_a_message_is_one_dead_letter_with_its_bytes(payload: bytes, reason: Rejection) -> None:
    (letter,) = items(payload)
    assert isinstance(letter, DeadLetter)
    assert (letter.reason, letter.value, letter.index) == (reason, payload, WHOLE_FRAME)


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"ping"}',
        '{"type":"error","msg":"Invalid symbol X"}',
        '{"type":"news","data":[{"headline":"x"}]}',
        '{"type":"trade","data":[]}',
        '{"type":"trade","data":null}',
        '{"type":"trade"}',
        "{}",
        '{"type":7}',
    ],
)
def test_ping_error_unknown_and_empty_messages_hold_no_trade_and_are_no_dead_letters(text: str) -> None:
    assert items(text) == []


def test_a_message_of_a_megabyte() -> None:
    text = message(*(element(p=str(100 + n / 8)) for n in range(17_000)))
    assert len(text) > 1_000_000
    got = items(text)
    assert len(got) == 17_000
    assert all(isinstance(item, Trade) for item in got)
    assert [trade.seq for trade in got if isinstance(trade, Trade)][-1] == MAX_SEQ


def test_a_hundred_thousand_bad_ones_at_flat_memory() -> None:
    bad = ["null", "17", "[]", '{"s":"X"}', element(t="1")]
    payload = message(*random.Random(1).choices(bad, (9, 9, 9, 1, 1), k=1000)).encode()
    normaliser = Normaliser("finnhub")
    normaliser.items(Frame(RECEIVED_AT, payload))
    before = sys.getallocatedblocks()  # of this interpreter now: what ran in the process earlier changes nothing
    for n in range(1, 100):
        assert len(normaliser.items(Frame(RECEIVED_AT + n, payload))) == 1000
    assert sum(normaliser.rejected.values()) == 100_000
    assert sys.getallocatedblocks() - before < 1_000


def test_the_millisecond_counter_is_bounded_and_starts_at_0() -> None:
    sequence = Sequence()
    assert [sequence.next("A", 5), sequence.next("A", 5), sequence.next("B", 5), sequence.next("A", 6)] == [0, 1, 0, 0]
    for n in range(2000):
        sequence.next(f"S{n}", 1)
        sequence.next("busy", n)
    assert sequence.next("busy", 1999) == 1
    assert sequence.next("S1999", 1) == 1
    assert sum(map(len, sequence._seen.values())) < 3000


def test_a_restart_goes_on_counting_where_it_was() -> None:
    frames = [
        Frame(RECEIVED_AT + n, message(element(), element(s='"B"', t=str(TS - n % 3))).encode()) for n in range(9)
    ]
    whole = list(trades_of(frames, "finnhub"))
    for cut in range(10):
        normaliser = Normaliser("finnhub")
        normaliser.remember(frames[:cut])
        rest = [item for frame in frames[cut:] for item in normaliser.items(frame)]
        assert rest == whole[2 * cut :]
        assert normaliser.trades == len(rest)


def test_a_replayed_message_keeps_the_identity_of_its_recording_but_not_its_receipt() -> None:
    payload = marked(message(element()).encode(), Mark("run", 3, 1_610_064_000_278_000))
    (trade,) = Normaliser("replay").items(Frame(RECEIVED_AT, payload))
    assert isinstance(trade, Trade)
    assert (trade.trade_id, trade.received_at) == ("1610064000278000-00000", RECEIVED_AT)
    (believed,) = Normaliser("finnhub").items(Frame(RECEIVED_AT, payload))
    assert isinstance(believed, Trade)
    assert believed.trade_id == "1763000000000000-00000"


@pytest.mark.parametrize("mark", ["5", "null", '{"run":"a"}', '{"run":"a","frame":1,"received_at":-5}', "[1,2,3]"])
def test_a_mark_that_is_none_is_ignored(mark: str) -> None:
    payload = message(element())[:-1] + f',"replay":{mark}}}'
    (trade,) = Normaliser("replay").items(Frame(RECEIVED_AT, payload.encode()))
    assert isinstance(trade, Trade)
    assert trade.trade_id == "1763000000000000-00000"


@needs_sample
def test_the_real_sample_2001_trades_and_its_8_groups_of_twins_kept() -> None:
    frames = [Frame(RECEIVED_AT + n, line) for n, line in enumerate(SAMPLE.read_bytes().splitlines())]
    trades = [item for item in trades_of(frames, "finnhub") if isinstance(item, Trade)]
    assert len(trades) == 2001
    assert sum(trade.volume for trade in trades) == Decimal("87.071596")
    twins = Counter((trade.ts, trade.price, trade.volume) for trade in trades)
    assert sum(count > 1 for count in twins.values()) == 8
    assert len({trade.trade_id for trade in trades}) == 2001
    assert len({(trade.symbol, trade.ts, trade.seq) for trade in trades}) == 2001
    assert [trade.trade_id for trade in trades] == sorted(trade.trade_id for trade in trades)


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("AAPL"), st.just(TS),
    st.floats(0.01, 1e6), st.lists(st.text(max_size=3), max_size=2),
)  # fmt: skip
elements = st.one_of(
    scalars, st.dictionaries(st.sampled_from("sptvcx"), scalars, max_size=6), st.fixed_dictionaries(
        {"s": st.text(min_size=1, max_size=8), "p": st.floats(0.01, 1e6), "t": st.integers(TS - 9, TS), "v": scalars})
)  # fmt: skip


@given(st.lists(elements, max_size=12), st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]), st.booleans())
def test_every_element_is_a_trade_or_a_dead_letter_with_its_own_bytes(
    data: list[Any], separators: tuple[str, str], ascii_only: bool
) -> None:
    parts = [json.dumps(value, separators=separators, ensure_ascii=ascii_only) for value in data]
    text = json.dumps({"x": [1, {"data": 3}], "data": None, "type": "trade"}, separators=separators)
    text = text.replace("null", "[" + separators[0].join(parts) + "]")
    payload = text.encode("utf-8", "surrogatepass")
    got = items(payload)
    if len(got) == 1 and isinstance(got[0], DeadLetter) and got[0].index == WHOLE_FRAME:
        assert got[0].value == payload
        return
    assert len(got) == len(data)
    for index, (item, part) in enumerate(zip(got, parts, strict=True)):
        if isinstance(item, DeadLetter):
            assert (item.index, item.value) == (index, part.encode("utf-8", "surrogatepass"))
        else:
            assert item.trade_id.endswith(f"-{index:05d}")
            assert decode(encode(item)) == item


@given(st.binary(max_size=200))
def test_no_bytes_break_it(payload: bytes) -> None:
    for item in items(payload):
        assert isinstance(item, Trade | DeadLetter)


@given(st.lists(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 3)), max_size=5), max_size=10))
def test_ids_and_counts_are_the_same_when_the_journal_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, frames: list[list[tuple[str, int]]]
) -> None:
    directory: Path = tmp_path_factory.mktemp("journal")
    journal = Journal(directory, "simulator", segment_bytes=300)
    live = Normaliser("simulator")
    produced = []
    for content in frames:
        text = message(*(element(s=f'"{symbol}"', t=str(TS - back)) for symbol, back in content))
        produced.extend(live.items(journal.append(text.encode())))
    assert list(trades_of(read_frames(directory), "other")) == produced
    ids = [item.trade_id for item in produced if isinstance(item, Trade)]
    assert ids == sorted(set(ids))
