"""Figures of past looks: what is kept, for how long, and what a clock that is set back does to them."""

from dataclasses import replace
from pathlib import Path

import pytest

from market_pipeline.alerts.history import DISK, EVERY_S, KEPT_S, LAG, History
from market_pipeline.alerts.round import with_history
from market_pipeline_tests.unit.alerts.looks import WELL

T0 = 1_800_000_000.0


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "incidents.db")


def test_what_is_remembered_comes_back_in_order_and_series_are_apart(history: History) -> None:
    for at, value in ((T0 + 30, 2.0), (T0 + 60, 3.0)):
        history.remember(LAG, at, value)
    history.remember(DISK, T0, 0.5)
    assert history.since(LAG, T0) == [(T0 + 30, 2.0), (T0 + 60, 3.0)]
    assert history.since(LAG, T0 + 31) == [(T0 + 60, 3.0)]
    assert history.since(DISK, 0) == [(T0, 0.5)]


def test_a_slow_series_is_kept_seldom_and_an_old_figure_goes(history: History) -> None:
    for minute in range(90):
        history.remember(DISK, T0 + 60 * minute, 0.5)
    assert [at - T0 for at, _ in history.since(DISK, 0)] == [0.0, EVERY_S[DISK], 2 * EVERY_S[DISK]]
    history.remember(DISK, T0 + KEPT_S[DISK] + 7200, 0.6)
    assert [value for _, value in history.since(DISK, 0)] == [0.6]


def test_what_is_from_the_future_goes_when_the_clock_is_set_back(history: History) -> None:
    history.remember(LAG, T0 + 3600, 9.0)
    history.remember(LAG, T0, 1.0)
    assert history.since(LAG, 0) == [(T0, 1.0)]


def test_a_look_is_given_those_before_it_and_kept_for_those_after_it(history: History) -> None:
    first = with_history(WELL, history)
    assert (first.lags, first.disk_used) == ([(WELL.now, 0.0)], [(WELL.now, 0.5)])
    stream = replace(WELL.snapshot.stream, lag=7)
    second = with_history(replace(WELL, now=WELL.now + 30, snapshot=replace(WELL.snapshot, stream=stream)), history)
    assert second.lags == [(WELL.now, 0.0), (WELL.now + 30, 7.0)]
    unknown = replace(WELL.snapshot, stream=replace(stream, lag=None))
    blind = replace(WELL, now=WELL.now + 60, snapshot=unknown, disk=None)
    assert with_history(blind, history).lags == second.lags
