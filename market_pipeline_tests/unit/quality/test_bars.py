"""Bars that can't be true, and two tellings of the same bars."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.model import EXACT
from market_pipeline.quality.bars import (
    VWAP_UNIT,
    differences,
    differing_figure,
    exact_vwap,
    faults_of,
    hourly_volume,
    merged,
    volume_faults,
)

PRICES = st.decimals("0.000000000000000001", "9999999999", places=18)
VOLUMES = st.one_of(st.just(Decimal(0)), st.decimals(0, 10**9, places=18))
AT = datetime(2021, 1, 8, 10, 30, tzinfo=UTC)


def bar(**changes: Any) -> dict[str, Any]:
    figures = {"open": "10", "high": "12", "low": "9", "close": "11", "volume": "3", "vwap": "10.5"}
    return {name: Decimal(value) for name, value in figures.items()} | {"trades": 2} | changes


def test_a_sound_bar_has_no_fault() -> None:
    quiet = bar(volume=Decimal(0), vwap=None, trades=0)
    assert list(faults_of("AAPL", {AT: bar(), AT + timedelta(minutes=1): quiet})) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"low": Decimal("10.5")}, "open 10 is not within 10.5 to 12"),
        ({"close": Decimal(13)}, "close 13 is not within 9 to 12"),
        ({"low": Decimal(0)}, "low 0 is not positive"),
        ({"high": None}, "has no high"),
        ({"open": None, "volume": None}, "has no open, volume"),
        ({"volume": Decimal(-1)}, "volume -1 does not fit 2 trades"),
        ({"volume": Decimal(-1), "trades": 0}, "volume -1 does not fit 0 trades"),
        ({"volume": Decimal(0), "trades": -1}, "volume 0 does not fit -1 trades"),
        ({"volume": Decimal("0.5"), "trades": 0}, "volume 0.5 does not fit 0 trades"),
        ({"volume": Decimal(0), "trades": 1}, "volume 0 does not fit 1 trades"),
        ({"trades": 0}, "volume 3 does not fit 0 trades"),
        ({"volume": Decimal(0), "trades": 0}, "vwap 10.5 does not fit volume 0"),
        ({"vwap": None}, "vwap None does not fit volume 3"),
        ({"vwap": Decimal("12.1")}, "vwap 12.1 is not within 9 to 12"),
    ],
)
def test_each_fault_is_told_with_its_figures(changes: dict[str, Any], fault: str) -> None:
    (found,) = faults_of("AAPL", {AT: bar(**changes)})
    assert str(found) == f"AAPL 2021-01-08 10:30 {fault}"


@pytest.mark.parametrize("price", ["9", "12"])
def test_every_figure_may_be_at_the_edge_of_the_others(price: str) -> None:
    edge = Decimal(price)
    one_trade = bar(open=edge, close=edge, vwap=edge, volume=Decimal("0.5"), trades=1)
    assert list(faults_of("AAPL", {AT: one_trade})) == []


def test_a_vwap_outside_of_its_prices_is_a_fault_however_small_they_are() -> None:
    price = Decimal("0.00000000019")
    rounded = bar(open=price, high=price, low=price, close=price, vwap=Decimal("0.0000000002"))
    (found,) = faults_of("X:Y", {AT: rounded})
    assert "vwap" in found.fault


@given(st.lists(st.tuples(PRICES, VOLUMES), min_size=1, max_size=20))
def test_an_exact_vwap_is_within_its_prices(trades: list[tuple[Decimal, Decimal]]) -> None:
    volume = sum((volume for _, volume in trades), Decimal(0))
    notional = reduce(EXACT.add, (EXACT.multiply(price, volume) for price, volume in trades))
    found = exact_vwap(notional, volume)
    if not volume:
        assert found is None
        return
    prices = [price for price, volume in trades if volume]
    assert found is not None
    assert min(prices) <= found <= max(prices)
    with localcontext(prec=200):
        assert abs(found * volume - notional) <= volume * VWAP_UNIT / 2


def test_a_vwap_may_have_as_many_digits_as_a_price() -> None:
    large = Decimal("99999999999999999999.999999999999999999")
    assert exact_vwap(EXACT.multiply(large, Decimal(2)), Decimal(2)) == large


def test_without_a_notional_there_is_no_vwap() -> None:
    assert exact_vwap(None, Decimal(1)) is None
    assert exact_vwap(Decimal(1), None) is None


def test_bars_differ_in_any_digit() -> None:
    batch = bar(vwap=Decimal("10.333333333333333333"))
    assert differing_figure(bar(vwap=Decimal("10.333333333333333333")), batch) is None
    assert differing_figure(bar(vwap=Decimal("10.333333333333333334")), batch) == "vwap"
    assert differing_figure(bar(vwap=None), batch) == "vwap"
    assert differing_figure(bar(vwap=batch["vwap"], close=Decimal("11.0000000001")), batch) == "close"


def test_equal_bars_do_not_differ_whatever_digits_they_are_written_with() -> None:
    assert list(differences("AAPL", {AT: bar()}, {AT: bar(open=Decimal("10.00"))}, AT + timedelta(1))) == []


def test_differences_are_told_over_settled_minutes_only() -> None:
    late, missing, extra, open_minute = (AT + timedelta(minutes=number) for number in range(4))
    stream = {late: bar(), extra: bar(), open_minute: bar()}
    batch = {late: bar(volume=Decimal(4)), missing: bar(), open_minute: bar(close=Decimal(9))}
    found = [str(each) for each in differences("AAPL", stream, batch, until=open_minute)]
    assert found == [
        "AAPL 2021-01-08 10:30 volume: stream 3, batch 4",
        "AAPL 2021-01-08 10:31 bar: stream none, batch has it",
        "AAPL 2021-01-08 10:32 bar: stream has it, batch none",
    ]


def test_volume_is_compared_by_hour() -> None:
    sums = hourly_volume("AAPL", {AT: bar(), AT + timedelta(minutes=1): bar(), AT + timedelta(hours=1): bar()})
    hour = AT.replace(minute=0)
    assert sums == {("AAPL", hour): Decimal(6), ("AAPL", hour + timedelta(hours=1)): Decimal(3)}
    assert volume_faults(sums, sums | {("AAPL", hour + timedelta(hours=2)): Decimal(0)}) == []
    (fault,) = volume_faults(sums, sums | {("AAPL", hour): Decimal("6.01")})
    assert str(fault) == "AAPL 2021-01-08 10:00: bars 6, trades 6.01"
    (lacking,), (made_up,) = (
        volume_faults({}, {("AAPL", hour): Decimal(3)}),
        volume_faults({("B", hour): Decimal(3)}, {}),
    )
    assert (str(lacking), str(made_up)) == (
        "AAPL 2021-01-08 10:00: bars 0, trades 3", "B 2021-01-08 10:00: bars 3, trades 0",
    )  # fmt: skip
    assert hourly_volume("AAPL", {AT.replace(second=7, microsecond=9): bar(volume=None)}) == {("AAPL", hour): 0}


def test_minutes_make_a_day() -> None:
    second = bar(open=Decimal(11), high=Decimal(20), low=Decimal(8), close=Decimal(19), trades=5)
    assert merged([bar(), second]) == {
        "open": Decimal(10), "high": Decimal(20), "low": Decimal(8), "close": Decimal(19), "volume": Decimal(6),
        "trades": 7,
    }  # fmt: skip
    middle, last = (bar(close=Decimal(close)) for close in (10, 12))
    three = merged([bar(), middle, last])
    assert three is not None
    assert (three["close"], three["trades"]) == (Decimal(12), 6)
    assert merged([]) is None


def test_sums_keep_every_digit() -> None:
    large, small = Decimal("99999999999999"), Decimal("0.000000000000000001")
    bars = {AT: bar(volume=large), AT + timedelta(minutes=1): bar(volume=small)}
    exact = Decimal("99999999999999.000000000000000001")
    assert hourly_volume("AAPL", bars) == {("AAPL", AT.replace(minute=0)): exact}
    whole = merged(bars.values())
    assert whole is not None
    assert whole["volume"] == exact


def test_a_minute_without_a_volume_makes_a_day_without_one() -> None:
    whole = merged([bar(), bar(volume=None, high=None)])
    assert whole is not None
    assert (whole["volume"], whole["high"], whole["low"]) == (None, None, Decimal(9))
