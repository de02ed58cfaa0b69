"""Bars add up to their trades, and those that trades still come into are left out."""

from dataclasses import replace
from decimal import Decimal

from market_pipeline.model import EXACT, Trade, trade_id
from market_pipeline.quality.bar_sums import BarMismatch, BarSum, BarSums, Key, compare_bars
from market_pipeline.quality.columns import of_trades

NOON = 1_763_000_040_000  # the start of a minute
MINUTE = 60_000


def trade(index: int, **changes: object) -> Trade:
    made = Trade("A", Decimal(100 + index), Decimal("0.5"), NOON + index * 700, trade_id(index + 1, 0), 0, "t", index)
    return replace(made, **changes)


def sums(trades: list[Trade], since: list[Trade] | None = None) -> dict[Key, BarSum]:
    made = BarSums()
    for one in trades:
        made.add(of_trades([one]))
    made.add_since(of_trades(since or []))
    return made.settled()


def test_a_bar_is_left_out_while_trades_come_into_it() -> None:
    early = [trade(index, ts=NOON + index * MINUTE) for index in range(3)]
    running, late = trade(3, ts=NOON + 2 * MINUTE), trade(4, ts=NOON)
    new = trade(5, symbol="B", ts=NOON + 3 * MINUTE)
    assert sums(early, [running, late, new]) == {("A", NOON + MINUTE): BarSum(1, Decimal("0.5"))}
    assert len(sums(early)) == 3


def test_bars_add_up_to_their_trades() -> None:
    found = sums([trade(0), trade(3), trade(6, volume=Decimal(0))])
    assert found == {("A", NOON): BarSum(2, Decimal("1.0"))}
    assert compare_bars(found, {("A", NOON): BarSum(2, Decimal("1.00"))}) == []
    (wrong,) = compare_bars(found, {("A", NOON): BarSum(1, Decimal("0.5"))})
    assert wrong == BarMismatch("A", NOON, BarSum(2, Decimal(1)), BarSum(1, Decimal("0.5")))
    (missing,) = compare_bars(found, {})
    assert missing.have is None
    (from_nothing,) = compare_bars({}, {("A", NOON): BarSum(1, Decimal(1))})
    assert from_nothing.want == BarSum(0, Decimal(0))


def test_sums_keep_every_digit_and_outgrow_a_single_volume() -> None:
    large, small = Decimal("99999999999999"), Decimal("0.000000000000000001")
    assert sums([trade(0, volume=large), trade(3, volume=small)])["A", NOON].volume == EXACT.add(large, small)
    made = BarSums()
    batch = of_trades([trade(index % 80, volume=large) for index in range(8_192)])
    for _ in range(250):
        made.add(batch)
    assert made.settled()["A", NOON] == BarSum(250 * 8_192, large * 250 * 8_192)


def test_a_bar_of_price_updates_alone_has_no_trades() -> None:
    assert sums([trade(0, volume=Decimal(0))]) == {("A", NOON): BarSum(0, Decimal(0))}
