"""A bar in Java, its figures beside those of plain Python and of the batch."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from market_pipeline.model import EXACT
from market_pipeline.quality.bars import exact_vwap
from market_pipeline_tests.writer.conftest import Program

MINUTE = 1_764_000_000_000


class Entry(NamedTuple):
    """A trade of the minute."""

    ts: int
    id: str
    price: Decimal
    volume: Decimal
    received_ms: int


def decimals(largest: int, places: int = 18) -> st.SearchStrategy[Decimal]:
    return st.decimals(0, largest, allow_nan=False, places=places) | st.integers(0, largest).map(Decimal)


ENTRIES = st.lists(
    st.builds(
        Entry,
        st.integers(MINUTE, MINUTE + 2),
        st.text("0123456789-\u00e9\uff5e\U0001f600", min_size=1, max_size=3),
        decimals(10**10 - 1).filter(lambda price: price > 0),
        decimals(10**14 - 1),
        st.integers(MINUTE, MINUTE + 90_000),
    ),
    min_size=1,
    max_size=12,
)
Figures = tuple[Decimal | None, ...]


@pytest.fixture(scope="session")
def figures_of(program: Program) -> Callable[[Sequence[Entry]], Figures]:
    """Open, high, low, close, volume, vwap, trades, write time, and how many trades it took in."""
    console = program("BarConsole")

    def ask(entries: Sequence[Entry]) -> Figures:
        assert console.stdin is not None
        assert console.stdout is not None
        texts = (f"{e.ts} {e.id} {e.price:f} {e.volume:f} {e.received_ms}" for e in entries)
        console.stdin.write(";".join(texts) + "\n")
        console.stdin.flush()
        return tuple(None if each == "null" else Decimal(each) for each in console.stdout.readline().split())

    return ask


def expected(entries: Sequence[Entry]) -> Figures:
    """The same in Python: each id once, the first that came."""
    once = list({entry.id: entry for entry in reversed(entries)}.values())
    ordered = sorted(once, key=lambda each: (each.ts, each.id.encode()))
    volume = notional = Decimal(0)
    for each in once:
        volume = EXACT.add(volume, each.volume)
        notional = EXACT.add(notional, EXACT.multiply(each.price, each.volume))
    prices = [each.price for each in once]
    write_time = max(each.received_ms for each in once) * 1000 + len(once)
    return (
        ordered[0].price, max(prices), min(prices), ordered[-1].price, volume, exact_vwap(notional, volume),
        Decimal(sum(each.volume > 0 for each in once)), Decimal(write_time), Decimal(len(once)),
    )  # fmt: skip


@given(ENTRIES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400)
def test_it_is_the_exact_fold_of_the_set_of_its_trades(
    figures_of: Callable[[Sequence[Entry]], Figures], entries: list[Entry]
) -> None:
    assert figures_of(entries) == expected(entries)


@given(ENTRIES, st.randoms(use_true_random=False))
def test_the_order_of_trades_and_those_that_come_again_change_nothing(
    figures_of: Callable[[Sequence[Entry]], Figures], entries: list[Entry], random: Random
) -> None:
    once = list({entry.id: entry for entry in entries}.values())
    again = [*once, *random.choices(once, k=len(once))]
    random.shuffle(again)
    assert figures_of(again) == figures_of(once)


@given(ENTRIES, st.data())
def test_a_part_of_the_trades_has_an_earlier_write_time(
    figures_of: Callable[[Sequence[Entry]], Figures], entries: list[Entry], data: st.DataObject
) -> None:
    once = list({entry.id: entry for entry in entries}.values())
    part = once[: data.draw(st.integers(1, len(once)))]
    whole, less = figures_of(once)[7], figures_of(part)[7]
    assert whole is not None
    assert less is not None
    assert (less < whole) == (len(part) < len(once))


@given(ENTRIES)
def test_a_vwap_is_within_low_and_high(figures_of: Callable[[Sequence[Entry]], Figures], entries: list[Entry]) -> None:
    _, high, low, _, _, vwap, *_ = figures_of(entries)
    assert high is not None
    assert low is not None
    assert vwap is None or low <= vwap <= high


def test_a_volume_beyond_its_type_is_null_as_in_batches(figures_of: Callable[[Sequence[Entry]], Figures]) -> None:
    entries = [Entry(MINUTE, str(n), Decimal(1), Decimal(10**14 - 1), MINUTE) for n in range(3)]
    assert figures_of(entries)[4] == 3 * (10**14 - 1)
