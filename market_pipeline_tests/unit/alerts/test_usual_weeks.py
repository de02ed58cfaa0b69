"""Weeks through the rule of the usual rate, a look each minute: with three weeks before them, quiet days, and faults.

The weeks are Thanksgiving's of 2026 with its half day, the last one of that year at 40 % of the usual, and the one
after New York's clock changed.
"""

import functools
from collections.abc import Callable
from datetime import date

import pytest

from market_pipeline.alerts import engine
from market_pipeline.alerts.engine import Board
from market_pipeline.alerts.incident import Change, Transition
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.alerts.rules import trade_rate, zero_trades
from market_pipeline.alerts.signal import Verdict
from market_pipeline_tests.unit.alerts.simulated_activity import SimulatedActivity
from market_pipeline_tests.unit.alerts.simulated_market import AAPL, BTC, EUR, new_york

ALL = (AAPL, BTC, EUR)
QUIET = frozenset(date(2026, 12, day) for day in (28, 29, 30, 31))


@pytest.fixture(autouse=True)
def _each_moment_is_classified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look each minute asks it of the same moments of past days again: an answer depends on its arguments alone."""
    classify = functools.cache(trade_rate.kind_of_moment)
    monkeypatch.setattr(trade_rate, "kind_of_moment", lambda symbols, at: classify(tuple(symbols), at))


def run(market: SimulatedActivity, starts: str, ends: str) -> tuple[list[Transition], int]:
    """What became of it, and at how many looks there was something to compare with."""
    board, changes, compared = Board(), list[Transition](), 0
    for look in market.looks(new_york(starts)):
        if look.now >= new_york(ends):
            break
        signals = [zero_trades.judge(look), trade_rate.judge(look)]
        compared += "usual at this minute" in signals[1].text and "too few" not in signals[1].text
        made = engine.step(board, signals, RULES, [], look.now)
        board, changes = made.board, [*changes, *made.transitions]
    return changes, compared


@pytest.mark.parametrize(
    ("market", "starts", "ends", "at_least"),
    [
        (SimulatedActivity(date(2026, 11, 2), date(2026, 11, 29), (AAPL,)), "2026-11-23", "2026-11-30", 1_000),
        (SimulatedActivity(date(2026, 11, 2), date(2026, 11, 29), ALL), "2026-11-25", "2026-11-30", 2_500),
        (SimulatedActivity(date(2026, 12, 1), date(2027, 1, 3), ALL, QUIET), "2026-12-31", "2027-01-03", 500),
        (SimulatedActivity(date(2026, 12, 1), date(2027, 1, 3), (EUR,), QUIET), "2026-12-31", "2027-01-03", 500),
        (SimulatedActivity(date(2026, 12, 1), date(2027, 1, 3), (AAPL,), QUIET), "2026-12-24", "2027-01-03", 1_000),
        (SimulatedActivity(date(2026, 10, 12), date(2026, 11, 6), (AAPL,)), "2026-10-30", "2026-11-07", 1_500),
    ],
    ids=["Thanksgiving, stocks", "Thanksgiving", "New Year", "New Year, forex", "New Year, stocks", "fall back"],
)
def test_quiet_days_are_no_fault(market: SimulatedActivity, starts: str, ends: str, at_least: int) -> None:
    changes, compared = run(market, starts, ends)
    assert [each.incident.text for each in changes if each.incident.rule == "trade-rate"] == []
    assert compared >= at_least  # a rule that never compares proves little


def between(starts: str, ends: str, part: float) -> Callable[[float], float]:
    """Which part of the trades comes."""
    first, last = new_york(starts), new_york(ends)
    return lambda at: part if first <= at < last else 1.0


def planted(symbols: tuple[str, ...], comes: Callable[[float], float], seed: int = 1) -> SimulatedActivity:
    return SimulatedActivity(date(2026, 11, 2), date(2026, 11, 24), symbols, comes=comes, seed=seed)


@pytest.mark.parametrize("symbols", [(AAPL,), ALL], ids=["stocks", "all"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_feed_that_brings_two_percent_is_told_within_half_an_hour_and_resolves(
    symbols: tuple[str, ...], seed: int
) -> None:
    market = planted(symbols, between("2026-11-24 11:00", "2026-11-24 13:00", 0.02), seed)
    changes, _ = run(market, "2026-11-24 09:00", "2026-11-24 14:00")
    assert {each.incident.rule for each in changes} == {"trade-rate"}
    opened, *_, over = changes
    assert (opened.change, opened.withheld) == (Change.OPENED, None)
    assert new_york("2026-11-24 11:19") <= opened.at <= new_york("2026-11-24 11:30")
    assert over.change is Change.RESOLVED
    assert new_york("2026-11-24 13:00") < over.at <= new_york("2026-11-24 13:16")
    assert not any(each.change is Change.OPENED for each in changes[1:])


def test_what_is_there_from_the_opening_on_is_told_ten_minutes_after_there_is_something_to_compare() -> None:
    market = planted((AAPL,), between("2026-11-24 04:00", "2026-11-24 11:00", 0.02))
    changes, _ = run(market, "2026-11-24 09:00", "2026-11-24 12:00")
    assert [each.change for each in changes if each.change is not Change.ESCALATED] == [Change.OPENED, Change.RESOLVED]
    assert new_york("2026-11-24 09:50") <= changes[0].at <= new_york("2026-11-24 10:00")


def test_a_halt_of_a_quarter_of_an_hour_is_not_told_twice() -> None:
    market = planted((AAPL,), between("2026-11-24 11:00", "2026-11-24 11:15", 0.0))
    changes, _ = run(market, "2026-11-24 10:30", "2026-11-24 12:00")
    assert {each.incident.rule for each in changes} == {"zero-trades"}


def test_a_dead_feed_is_told_of_by_zero_trades_alone() -> None:
    market = planted((AAPL,), between("2026-11-24 11:00", "2026-11-24 11:40", 0.0))
    changes, _ = run(market, "2026-11-24 10:30", "2026-11-24 12:30")
    assert {each.incident.rule for each in changes if each.withheld is None} == {"zero-trades"}
    assert {each.incident.rule for each in changes} == {"zero-trades", "trade-rate"}


def test_with_a_week_before_it_too_little_is_known() -> None:
    market = SimulatedActivity(date(2026, 11, 18), date(2026, 11, 24), (AAPL,), comes=lambda at: 1.0)
    signal = trade_rate.judge(next(iter(market.looks(new_york("2026-11-24 12:00")))))
    assert signal.verdict is Verdict.FINE
    assert "too little is known: 4 days such as this (session of 6.5 h), 5 are needed" in signal.text
