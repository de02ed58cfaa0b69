"""Runbook 1 beyond its words: trades come, but far fewer than at the same minute of past days.

Days are compared with days of their kind: those of full sessions, half days, holidays, week-ends. The minute is New
York's, so it is that since the opening too, in summer and in winter. A day turns at 17:00 as in forex, where the night
before a holiday is a holiday's.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median

from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.rules.zero_trades import WINDOW, deaf
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.sessions import NEW_YORK, is_busy, market_of, regular_hours

PART = 0.05
"""Of the usual. The quietest days of a year bring a third of it, some minutes of them half of that."""
LEAST_USUAL = 500.0
"""Trades within ten minutes. On a day with a fifth of them, in bunches of three, fewer than a twentieth are chance once
in six million times (Poisson: at most 8 bunches where 33 are expected)."""
LEAST_DAYS = 5
DAYS_BACK = 35
NEAR_S = 300.0
"""How far from the minute a past figure may be, seconds."""
DAY_TURNS = timedelta(hours=7)
"""Before midnight."""
_SATURDAY = 5

RULE = Rule(
    "trade-rate",
    "Far fewer trades than at the same minute of past days",
    Severity.P1,
    runbook="Common Alerts 1: Pipeline Down - Zero Trades",
    hold_s=600,  # a halt of a quarter of an hour is over by then
    clear_s=600,  # what comes in a good minute of a bad hour ends nothing
    remedy="restart_producer",
    low_is_bad=True,
)
_signal = partial(Signal, RULE.id, "feed")


@dataclass(frozen=True)
class Kind:
    """What moments have in common that can be compared: which markets are in session, and which sort of day it is."""

    in_session: frozenset[str]
    day: str


def judge(look: Look) -> Signal:
    """The arrivals of ten minutes against the median of those at this minute of past days."""
    if look.arrivals is None:
        return _signal(Verdict.UNKNOWN, "Kafka does not say how many trades came")
    if look.feed != "finnhub":
        return _signal(Verdict.FINE, f"the {look.feed} brings as many trades as it is told to", look.arrivals)
    now = datetime.fromtimestamp(look.now, UTC)
    kind = kind_of_moment(look.symbols, now)
    if kind is None:
        return _signal(Verdict.FINE, "no market is in session, or one opened or closed a moment ago", look.arrivals)
    days = usual(look.symbols, look.past_arrivals, now)
    if len(days) < LEAST_DAYS:
        text = f"too little is known: {len(days)} days such as this ({kind.day}), {LEAST_DAYS} are needed"
        return _signal(Verdict.FINE, text, look.arrivals)
    half = median(days)
    text = f"{look.arrivals:,} trades in the last 10 minutes, usual at this minute are {half:,.0f}"
    if half < LEAST_USUAL:
        return _signal(Verdict.FINE, f"{text}: too few to tell a fault from chance", look.arrivals)
    if look.arrivals >= PART * half:
        return _signal(Verdict.FINE, text, look.arrivals)
    return _signal(Verdict.FAULT, f"{text}: {cause(look)}", look.arrivals, evidence=evidence(look, days))


def usual(symbols: Iterable[str], past: Sequence[tuple[float, float]], now: datetime) -> list[float]:
    """What came at this minute of past days of this kind, a figure for each day.

    Args:
        symbols: what is and was subscribed.
        past: what came within ten minutes, the oldest first: (epoch seconds, trades).
        now: with a zone.
    """
    symbols = one_of_each(symbols)
    kind, local = kind_of_moment(symbols, now), now.astimezone(NEW_YORK)
    found = []
    for days in range(1, DAYS_BACK + 1):
        wanted = (local - timedelta(days=days)).timestamp()  # the same time by the clock on the wall
        place = bisect_left(past, (wanted, 0.0))
        at, count = min(past[max(0, place - 1) : place + 1], key=lambda each: abs(each[0] - wanted), default=(0.0, 0.0))
        if abs(at - wanted) <= NEAR_S and kind_of_moment(symbols, datetime.fromtimestamp(at, UTC)) == kind:
            found.append(count)
    return found


def kind_of_moment(symbols: Iterable[str], at: datetime) -> Kind | None:
    """Of ten minutes that end at ``at``; None where no market was in session, or not the same ones all the time."""
    chosen = one_of_each(symbols)
    before, in_session = ({market_of(each) for each in chosen if is_busy(each, when)} for when in (at - WINDOW, at))
    if in_session != before or not in_session:
        return None
    return Kind(frozenset(in_session), sort_of_day(at))


def one_of_each(symbols: Iterable[str]) -> list[str]:
    """A symbol of each market: the others keep the same hours."""
    return list({market_of(symbol): symbol for symbol in symbols}.values())


def sort_of_day(at: datetime) -> str:
    """By the stock exchange's calendar, which the others feel too."""
    day = (at.astimezone(NEW_YORK) + DAY_TURNS).date()
    hours = regular_hours(day)
    if hours is not None:
        return f"session of {(hours[1] - hours[0]) / timedelta(hours=1):g} h"
    return "week-end" if day.weekday() >= _SATURDAY else "holiday"


def cause(look: Look) -> str:
    """By the producer's own word."""
    unseen = look.snapshot.feed.unseen
    if (why := deaf(look)) is not None:
        return why
    if unseen:
        return f"nothing yet of {', '.join(unseen[:5])}"
    return "connected, and some trades come: the vendor leaves out most, or dropped subscriptions"


def evidence(look: Look, days: Sequence[float]) -> dict[str, str]:
    feed = look.snapshot.feed
    told = {"past days": f"{len(days)}, from {min(days):,.0f} to {max(days):,.0f} trades"}
    if feed.symbols is not None and feed.seen is not None:
        told["symbols"] = f"{feed.seen} of {feed.symbols} have traded since the producer's start"
    return told
