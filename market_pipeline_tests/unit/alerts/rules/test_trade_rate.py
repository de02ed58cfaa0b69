"""Far fewer trades than usual: which past figures are compared, and where the line is."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.alerts.rules import trade_rate
from market_pipeline.alerts.rules.trade_rate import LEAST_DAYS, LEAST_USUAL, PART, Kind, kind_of_moment, usual
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.local.snapshot import FeedStatus
from market_pipeline.sessions import MarketKind
from market_pipeline_tests.unit.alerts.looks import RUNNING, WELL
from market_pipeline_tests.unit.alerts.simulated_market import AAPL, BTC, EUR, new_york

Past = list[tuple[float, float]]
STOCK, CRYPTO, FOREX = MarketKind.STOCK, MarketKind.CRYPTO, MarketKind.FOREX
NOW = new_york("2026-11-24 11:00")  # a Tuesday
SESSIONS = ["11-23", "11-20", "11-19", "11-18", "11-17", "11-16", "11-13", "11-12"]
"""The eight before it."""


def utc(text: str) -> datetime:
    return datetime.fromtimestamp(new_york(f"2026-{text}"), UTC)


def on(days: Sequence[str], counts: Sequence[float], clock: str = "11:00", off_s: float = 0.0) -> Past:
    return sorted((new_york(f"2026-{day} {clock}") + off_s, count) for day, count in zip(days, counts, strict=True))


def judged(arrivals: int | None, past: Past, symbols: tuple[str, ...] = (AAPL,), **more: object) -> Signal:
    look = replace(WELL, now=NOW, symbols=symbols, arrivals=arrivals, past_arrivals=past)
    return trade_rate.judge(replace(look, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("symbols", "at", "in_session", "day"),
    [
        ((AAPL,), "11-24 09:39", None, None),  # open for nine minutes
        ((AAPL,), "11-24 09:40", {STOCK}, "session of 6.5 h"),
        ((AAPL,), "11-24 16:00", None, None),
        ((AAPL,), "11-26 11:00", None, None),
        ((AAPL,), "11-27 11:00", {STOCK}, "session of 3.5 h"),
        ((AAPL, BTC), "11-24 09:35", None, None),
        ((AAPL, BTC), "11-24 11:00", {STOCK, CRYPTO}, "session of 6.5 h"),
        ((AAPL, BTC), "11-24 08:00", {CRYPTO}, "session of 6.5 h"),
        ((AAPL, BTC), "11-26 11:00", {CRYPTO}, "holiday"),
        ((AAPL, BTC, EUR), "11-26 11:00", {CRYPTO, FOREX}, "holiday"),
        ((BTC,), "11-28 11:00", {CRYPTO}, "week-end"),
        ((BTC,), "11-27 18:00", {CRYPTO}, "week-end"),  # a day turns at 17:00
        ((BTC, EUR), "11-29 18:00", {CRYPTO, FOREX}, "session of 6.5 h"),
        ((EUR,), "11-25 18:00", {FOREX}, "holiday"),
        ((EUR,), "12-24 18:00", None, None),
        ((BTC, EUR), "12-24 18:00", {CRYPTO}, "holiday"),
        ((EUR,), "11-28 11:00", None, None),
    ],
)
def test_moments_have_kinds(symbols: tuple[str, ...], at: str, in_session: set[MarketKind] | None, day: str) -> None:
    expected = Kind(frozenset(in_session), day) if in_session is not None else None
    assert kind_of_moment(symbols, utc(at)) == expected


def test_a_figure_a_day_is_compared_the_nearest_to_the_minute_and_none_of_other_days() -> None:
    days = ["11-23", "11-20", "11-22", "11-21", "11-11"]
    past = on(days, [1, 2, 90, 91, 3], off_s=-120.0)
    past += on(["11-23", "11-20", "11-24"], [80, 81, 82], off_s=180.0)  # farther, and of today
    past += on(["11-19", "11-18"], [83, 84], off_s=301.0) + on(["11-17"], [85], off_s=-301.0)
    assert usual((AAPL,), sorted(past), utc("11-24 11:00")) == [1, 2, 3]


def test_the_minute_is_that_since_the_opening_in_summer_and_in_winter() -> None:
    fall = on(["10-30", "10-29", "10-28", "10-27", "10-26"], [5, 4, 3, 2, 1])  # the clocks go back on 1 November
    assert usual((AAPL,), fall, utc("11-02 11:00")) == [5, 4, 3, 2, 1]
    assert usual((AAPL,), fall, utc("11-02 10:00")) == []
    spring = on(["03-06", "03-05"], [2, 1])
    assert usual((AAPL,), spring, utc("03-09 11:00")) == [2, 1]


@pytest.mark.parametrize(
    ("arrivals", "counts", "verdict", "text"),
    [
        (49, [1_000] * 8, Verdict.FAULT, "49 trades in the last 10 minutes, usual at this minute are 1,000"),
        (50, [1_000] * 8, Verdict.FINE, "usual at this minute are 1,000"),
        (0, [1_000] * 8, Verdict.FAULT, "0 trades"),
        (49, [0, 0, 0, 1_000, 1_000, 1_000, 1_000, 1_000], Verdict.FAULT, "1,000"),  # three bad days are no usual
        (49, [990, 1_000, 10, 50_000, 1_010, 9, 1_020, 1_000], Verdict.FAULT, "1,000"),
        (1, [LEAST_USUAL - 1] * 8, Verdict.FINE, "too few to tell a fault from chance"),
        (1, [LEAST_USUAL] * 8, Verdict.FAULT, "usual at this minute are 500"),
        (1, [1_000] * LEAST_DAYS, Verdict.FAULT, "1,000"),
        (1, [1_000] * (LEAST_DAYS - 1), Verdict.FINE, "too little is known: 4 days such as this"),
        (1, [], Verdict.FINE, "too little is known: 0 days"),
        (None, [1_000] * 8, Verdict.UNKNOWN, "Kafka does not say"),
    ],
)
def test_far_below_the_usual_is_a_fault(arrivals: int | None, counts: list[float], verdict: Verdict, text: str) -> None:
    signal = judged(arrivals, on(SESSIONS[: len(counts)], counts))
    assert signal.verdict is verdict
    assert text in signal.text


@pytest.mark.parametrize("feed", ["simulator", "replay"])
def test_a_feed_of_ours_is_as_busy_as_it_is_told_to_be(feed: str) -> None:
    assert judged(1, on(SESSIONS, [1_000] * 8), feed=feed).verdict is Verdict.FINE


def test_outside_the_session_there_is_no_usual() -> None:
    night = on(SESSIONS, [1_000] * 8, "18:00")
    signal = judged(1, night, now=new_york("2026-11-24 18:00"))
    assert (signal.verdict, signal.text) == (
        Verdict.FINE,
        "no market is in session, or one opened or closed a moment ago",
    )


def test_it_is_urgent_and_says_what_is_known_of_the_cause() -> None:
    feed = FeedStatus("finnhub", connected=True, symbols=3, seen=1, unseen=["MSFT", "GOOGL"], last_received_age_s=1.0)
    processes = {"producer": RUNNING}

    def seen(feed: FeedStatus) -> Signal:
        snapshot = replace(WELL.snapshot, feed=feed, processes=processes)
        return judged(20, on(SESSIONS, [900] * 4 + [1_100] * 4), snapshot=snapshot)

    signal = seen(feed)
    assert trade_rate.RULE.severity is Severity.P1
    assert "nothing yet of MSFT, GOOGL" in signal.text
    assert signal.evidence == {
        "past days": "8, from 900 to 1,100 trades",
        "symbols": "1 of 3 have traded since the producer's start",
    }
    assert "dropped subscriptions" in seen(replace(feed, unseen=[])).text
    assert "not connected" in seen(replace(feed, connected=False)).text


counts = st.integers(0, 100_000).map(float)


@given(st.lists(counts, max_size=8), st.integers(0, 10_000))
def test_where_the_line_is(figures: list[float], arrivals: int) -> None:
    past = on(SESSIONS[: len(figures)], figures)
    others = on(["11-22", "11-21", "11-15", "11-14"], [float(n) for n in range(4)])  # week-ends say nothing
    enough = len(figures) >= LEAST_DAYS and median(figures) >= LEAST_USUAL
    expected = Verdict.FAULT if enough and arrivals < PART * median(figures) else Verdict.FINE
    assert judged(arrivals, past).verdict is expected
    assert judged(arrivals, sorted(past + others)).verdict is expected


@given(st.lists(counts, min_size=8, max_size=8), st.integers(0, 10_000), st.integers(0, 10_000))
def test_more_trades_are_never_worse(figures: list[float], one: int, other: int) -> None:
    past = on(SESSIONS, figures)
    fewer, more = (judged(count, past).verdict for count in sorted((one, other)))
    assert not (fewer is Verdict.FINE and more is Verdict.FAULT)


@given(
    st.lists(st.tuples(st.floats(0.0, 40 * 86_400.0), counts), max_size=60),
    st.integers(0, 40 * 24 * 60),
    st.sampled_from([(AAPL,), (BTC,), (EUR,), (AAPL, BTC, EUR)]),
)
def test_what_is_compared_is_near_the_same_minute_of_another_day(
    ago: list[tuple[float, float]], minutes: int, symbols: tuple[str, ...]
) -> None:
    now = utc("11-24 11:00") + timedelta(minutes=minutes)
    past = sorted((now.timestamp() - seconds, count) for seconds, count in ago)
    found = usual(symbols, past, now)
    hour = 3600.0  # a change of the clock lies between
    near = [
        count
        for at, count in past
        if abs((now.timestamp() - at + 43_200) % 86_400 - 43_200) <= 300 + hour and now.timestamp() - at > 82_500
    ]
    assert not set(found) - set(near)
    assert len(found) <= 35
