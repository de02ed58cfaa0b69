"""``latest_prices`` is the newest trade of each symbol, or the row that is not is found."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.model import MAX_SEQ, Trade, trade_id
from market_pipeline.quality.columns import of_trades
from market_pipeline.quality.latest import LatestPrice, NewestTrades, PriceMismatch, price_mismatches

DAY = (1_762_992_000_000, 1_763_078_400_000)
NOON = 1_763_035_200_000
CUT = trade_id(5_000_000, 0)


def trade(index: int, **changes: object) -> Trade:
    made = Trade("A", Decimal(100 + index), Decimal("0.5"), NOON + index, trade_id(index + 1, 0), 0, "t", index)
    return replace(made, **changes)


def newest(*trades: Trade) -> NewestTrades:
    made = NewestTrades()
    for one in trades:
        made.add(of_trades([one]))
    return made


def row(one: Trade) -> LatestPrice:
    return LatestPrice(one.ts, one.trade_id, one.price, one.volume)


def mismatches(trades: list[Trade], stored: dict[str, LatestPrice]) -> list[PriceMismatch]:
    return price_mismatches(newest(*trades), stored, DAY, CUT)


def test_the_newest_trade_is_right_and_an_older_one_is_not() -> None:
    old, new = trade(1), trade(2)
    assert mismatches([new, old], {"A": row(new)}) == []
    assert mismatches([new, old], {"A": row(old)}) == [PriceMismatch("A", row(new), row(old))]
    assert mismatches([new], {}) == [PriceMismatch("A", row(new), None)]


def test_of_one_millisecond_the_one_that_came_last_is_the_newest() -> None:
    first, second = trade(1, ts=NOON, seq=0), trade(2, ts=NOON, seq=1)
    assert mismatches([second, first], {"A": row(second)}) == []
    assert len(mismatches([second, first], {"A": row(first)})) == 1


def test_beyond_what_a_millisecond_can_order_either_may_win() -> None:
    last, other = trade(3, ts=NOON, seq=MAX_SEQ), trade(2, ts=NOON, seq=MAX_SEQ)
    assert mismatches([last, other], {"A": row(other)}) == []


def test_a_row_of_a_later_day_or_of_a_trade_that_just_came_is_newer() -> None:
    midnight, tomorrow = trade(1, ts=DAY[1]), trade(1, ts=DAY[1] + 5)
    running, just_now = (trade(9, trade_id=trade_id(at, 0)) for at in (6_000_000, 5_000_000))
    same_millisecond = trade(1, trade_id=CUT, price=Decimal(7))
    for have in (midnight, tomorrow, running, just_now, same_millisecond):
        assert mismatches([trade(1)], {"A": row(have)}) == []
    older = trade(0, trade_id=CUT)
    assert mismatches([trade(1)], {"A": row(older)}) == [PriceMismatch("A", row(trade(1)), row(older))]


def test_digits_do_not_matter_but_a_changed_price_does() -> None:
    one = trade(1, price=Decimal("1.50"))
    assert mismatches([one], {"A": row(replace(one, price=Decimal("1.5")))}) == []
    assert len(mismatches([one], {"A": row(replace(one, price=Decimal("1.51")))})) == 1


def test_a_price_of_the_day_that_no_trade_stands_for_is_found() -> None:
    assert mismatches([], {"A": row(trade(1))}) == [PriceMismatch("A", None, row(trade(1)))]
    first = row(trade(1, ts=DAY[0]))
    assert mismatches([], {"B": row(trade(1)), "A": first}) == [
        PriceMismatch("A", None, first), PriceMismatch("B", None, row(trade(1))),
    ]  # fmt: skip
    for other in (trade(1, ts=DAY[0] - 1), trade(1, ts=DAY[1]), trade(1, trade_id=CUT)):
        assert mismatches([], {"A": row(other)}) == []


def test_what_is_wrong_is_told_in_the_order_of_the_symbols() -> None:
    wrong = mismatches([trade(1, symbol="C"), trade(2, symbol="A")], {"B": row(trade(1))})
    assert [each.symbol for each in wrong] == ["A", "B", "C"]


@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=40))
def test_batches_find_what_one_maximum_finds(drawn: list[tuple[str, int, int]]) -> None:
    trades = [trade(i, symbol=s, ts=NOON + ms, seq=seq) for i, (s, ms, seq) in enumerate(drawn)]
    made = NewestTrades()
    for start in range(0, len(trades), 7):
        made.add(of_trades(trades[start : start + 7]))
    for symbol, price, _ in made.found():
        right = max((t for t in trades if t.symbol == symbol), key=lambda t: (t.ts, t.seq, t.trade_id))
        assert price == row(right)
