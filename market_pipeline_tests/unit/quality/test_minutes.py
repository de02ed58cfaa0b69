"""Each minute was traded, quiet, or unknown; and a bar is complete when the feed listened through all of it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.quality.minutes import (
    MINUTE,
    DownTime,
    MinuteState,
    minutes_of,
    seconds_within,
    states,
    unheard_minutes,
    verdict,
)

START = datetime(2025, 11, 28, tzinfo=UTC)
END = START + timedelta(days=1)
LATER = END + timedelta(days=1)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def down(*spans: tuple[float, float | None]) -> list[DownTime]:
    return [(at(a), None if b is None else at(b)) for a, b in spans]


def test_a_minute_without_a_trade_is_quiet_when_we_listened_and_unknown_when_we_did_not() -> None:
    unheard = unheard_minutes(down((150, 190), (310, 320)), START, END)
    found = dict(states(minutes_of([(START, at(360))], LATER), {at(0), at(300)}, unheard))
    assert [found[at(60 * minute)].value for minute in range(6)] == [
        "traded", "quiet", "unknown", "unknown", "quiet", "traded",
    ]  # fmt: skip


@given(
    traded=st.sets(st.integers(0, 1439)),
    spans=st.lists(st.tuples(st.floats(-9e4, 9e4), st.one_of(st.none(), st.floats(0.001, 9e4))), max_size=5),
)
def test_every_minute_of_a_day_has_one_state_and_a_bar_always_means_traded(
    traded: set[int], spans: list[tuple[float, float | None]]
) -> None:
    down_times = down(*((a, None if length is None else a + length) for a, length in spans))
    bars = {at(60 * minute) for minute in traded}
    found = dict(states(minutes_of([(START, END)], LATER), bars, unheard_minutes(down_times, START, END)))
    assert len(found) == 1440
    assert {minute for minute, state in found.items() if state is MinuteState.TRADED} == bars
    for minute, state in found.items():
        if minute not in bars:
            assert (state is MinuteState.UNKNOWN) == (verdict([(minute, minute + MINUTE)], down_times, LATER) is False)


@pytest.mark.parametrize(
    ("span", "minutes"),
    [
        ((60, 120), [60]),
        ((59.9, 120.001), [0, 60, 120]),
        ((-500, 0), []),
        ((-500, 0.001), [0]),
        ((86_399, 90_000), [86_340]),
        ((86_400, None), []),
        ((86_350, None), [86_340]),
    ],
)
def test_a_down_time_touches_the_minutes_it_overlaps(span: tuple[float, float | None], minutes: list[int]) -> None:
    assert unheard_minutes(down(span), START, END) == {at(minute) for minute in minutes}


def test_a_minute_that_runs_is_none_of_the_states() -> None:
    assert list(minutes_of([(START, at(300))], at(179.9))) == [at(0), at(60)]


@pytest.mark.parametrize(
    ("spans", "complete"),
    [([], True), ([(60, 61)], True), ([(-5, 0)], True), ([(59.999, 61)], False), ([(-5, None)], False)],
)
def test_a_bar_is_complete_when_no_down_time_overlaps_it(
    spans: list[tuple[float, float | None]], complete: bool
) -> None:
    assert verdict([(at(0), at(60))], down(*spans), LATER) is complete


def test_a_bar_that_is_not_over_has_no_verdict_unless_it_is_incomplete_already() -> None:
    assert verdict([(at(0), at(60))], [], at(59)) is None
    assert verdict([(at(0), at(60))], [], at(60)) is True
    assert verdict([(at(0), at(60))], down((10, 20)), at(59)) is False


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [
        ([], 0),
        ([(10, 20)], 10),
        ([(10, 20), (15, 30)], 20),
        ([(15, 30), (10, 40)], 30),
        ([(-100, 5)], 5),
        ([(-100, -5)], 0),
        ([(86_390, None)], 10),
        ([(86_390, 86_500), (90_000, None)], 10),
    ],
)
def test_down_times_count_once_and_within_the_day(spans: list[tuple[int, int | None]], seconds: float) -> None:
    assert seconds_within(down(*spans), START, END) == seconds
