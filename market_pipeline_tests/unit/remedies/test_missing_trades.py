"""Of whatever was heard and recorded: after a fill nothing is lost that can be had, and nothing is there twice."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.model import Trade, is_filled, trade_id
from market_pipeline.remedies.missing_trades import EDGE_US, Content, Span, content, missing, widened

NOON_US = 1_763_000_040_000_000
SECOND = 1_000_000
GAP = (NOON_US, NOON_US + 30 * SECOND)
SPANS = widened([("AAPL", *GAP)])


def trade(
    at_s: float, *, received_s: float | None = None, price: str = "230.5", index: int = 0, symbol: str = "AAPL"
) -> Trade:
    """A trade so many seconds after the gap's start, received 20 ms later unless told."""
    ts = (NOON_US + round(at_s * SECOND)) // 1000
    received_at = NOON_US + round((at_s + 0.02 if received_s is None else received_s) * SECOND)
    identity = trade_id(received_at, index)
    return Trade(symbol, Decimal(price), Decimal(3), ts, identity, 0, "finnhub", received_at, ("1",))


def held(trades: Iterable[Trade]) -> dict[str, Content]:
    return {each.trade_id: content(each) for each in trades}


def test_a_gap_gets_what_the_other_received_in_it() -> None:
    (found,) = missing(SPANS, [[trade(-9), trade(7), trade(41)]], {})
    assert (found.ts, found.received_at) == (trade(7).ts, trade(7).received_at)
    assert found.trade_id == trade(7).trade_id + "-filled"


@pytest.mark.parametrize(
    ("recorded", "ours", "wanted"),
    [
        pytest.param([trade(5), trade(5, index=1)], [], 2, id="twins are two trades"),
        pytest.param([trade(-1), trade(-1, index=1)], [trade(-1, received_s=-0.5)], 1, id="one of two twins was heard"),
        pytest.param([trade(-1)], [trade(-1, received_s=-0.5)], 0, id="heard at the edge, with another receive time"),
        pytest.param([trade(-1, received_s=-0.9)], [], 1, id="on its way to us when the connection broke"),
        pytest.param([trade(30.5)], [trade(30.5, price="230.50", received_s=31)], 0, id="other digits, same price"),
        pytest.param([trade(5, price="230.6")], [trade(5, received_s=31)], 1, id="another price"),
        pytest.param([trade(-60, received_s=5)], [], 0, id="an old trade that is told once more in the gap"),
        pytest.param([trade(5, received_s=60)], [], 0, id="received long after the gap: so did we"),
        pytest.param([trade(5, symbol="MSFT")], [], 0, id="a symbol without a gap"),
        pytest.param([], [trade(-1)], 0, id="the other has nothing"),
    ],
)
def test_content_and_count_tell_what_is_missing(recorded: list[Trade], ours: list[Trade], wanted: int) -> None:
    assert len(missing(SPANS, [recorded], held(ours))) == wanted


def test_conditions_are_a_part_of_what_a_trade_is() -> None:
    assert len(missing(SPANS, [[trade(5)]], held([replace(trade(5, index=7), conditions=("1", "24"))]))) == 1


def test_two_recordings_of_the_same_time_are_not_added_up() -> None:
    other = [trade(5, received_s=5.2), trade(5, received_s=5.2, index=1), trade(6)]
    found = missing(SPANS, [[trade(5), trade(7)], other], {})
    assert Counter(each.ts for each in found) == {trade(5).ts: 2, trade(6).ts: 1, trade(7).ts: 1}


def test_what_was_filled_from_one_recording_is_not_filled_from_another() -> None:
    filled = missing(SPANS, [[trade(5)]], {})
    assert missing(SPANS, [[trade(5, received_s=5.3)]], held(filled)) == []
    assert len(missing(SPANS, [[trade(5), trade(5, index=1)]], held(filled))) == 1


def test_a_filled_trade_is_in_no_tie_with_one_that_was_heard() -> None:
    heard = [trade(-1, price="1"), trade(-1, price="2", index=1)]
    (found,) = missing(SPANS, [[replace(trade(-1, price="3"), seq=2)]], held(heard))
    assert found.seq == 4  # above 0 and 1, which the two have


def test_gaps_that_touch_once_widened_are_one() -> None:
    spans = widened([("A", GAP[1] + 9 * SECOND, GAP[1] + 12 * SECOND), ("A", *GAP), ("B", 0, 1)])
    assert spans["A"] == [Span(GAP[0] - EDGE_US, GAP[1] + 12 * SECOND + EDGE_US)]
    assert spans.keys() == {"A", "B"}


# a stream of few different contents, so that equal ones are often met; times are milliseconds after the gap's start
CONTENTS = st.tuples(st.integers(-4_000, 34_000), st.sampled_from("12"))
LATENCY_US = st.integers(0, EDGE_US // 2)
STREAM = st.lists(
    st.tuples(st.one_of(CONTENTS, st.tuples(st.sampled_from([-200, 0, 29_900]), st.just("1"))), LATENCY_US, LATENCY_US),
    max_size=40,
)


def two_listeners(stream: Sequence[tuple[tuple[int, str], int, int]], skew_us: int) -> tuple[list[Trade], list[Trade]]:
    """What we heard, which is what came to us outside of the gap, and all that the other received, by its clock."""
    ours, other = [], []
    for number, ((at_ms, price), latency, other_latency) in enumerate(stream):
        happened = NOON_US + at_ms * 1000
        base = Trade("AAPL", Decimal(price), Decimal(1), happened // 1000, "", 0, "finnhub", 0)
        received, other_received = happened + latency, happened + other_latency + skew_us
        if not GAP[0] <= received < GAP[1]:
            ours.append(replace(base, trade_id=trade_id(received, number), received_at=received))
        other.append(replace(base, trade_id=trade_id(other_received, number), received_at=other_received))
    return ours, sorted(other, key=lambda each: each.trade_id)


def contents(trades: Iterable[Trade]) -> Counter[Content]:
    return Counter(map(content, trades))


@given(STREAM, st.integers(0, 2 * SECOND))
def test_nothing_is_lost_and_nothing_doubled(stream: list[tuple[tuple[int, str], int, int]], skew_us: int) -> None:
    ours, other = two_listeners(stream, skew_us)
    found = missing(SPANS, [other], held(ours))
    assert contents([*ours, *found]) == contents(other)
    assert len({each.trade_id for each in [*ours, *found]}) == len(other)
    assert all(is_filled(each.trade_id) for each in found)


@given(STREAM, st.data())
def test_filling_again_changes_nothing(stream: list[tuple[tuple[int, str], int, int]], data: st.DataObject) -> None:
    """Also when silver has only some of the filled trades so far: the rest are the same rows once more."""
    ours, other = two_listeners(stream, 0)
    found = missing(SPANS, [other], held(ours))
    assert missing(SPANS, [other], held([*ours, *found])) == []
    some = data.draw(st.lists(st.sampled_from(found), unique_by=lambda each: each.trade_id)) if found else []
    again = missing(SPANS, [other], held([*ours, *some]))
    assert {each.trade_id for each in (*some, *again)} == {each.trade_id for each in found}


@given(STREAM, st.integers(-60 * SECOND, 60 * SECOND), st.data())
def test_whatever_the_other_clock_shows_and_lacks_nothing_is_doubled(
    stream: list[tuple[tuple[int, str], int, int]], skew_us: int, data: st.DataObject
) -> None:
    ours, other = two_listeners(stream, skew_us)
    parts = [data.draw(st.lists(st.sampled_from(other), unique_by=lambda t: t.trade_id)) if other else [] for _ in "12"]
    after = contents([*ours, *missing(SPANS, parts, held(ours))])
    assert after <= contents(other)
