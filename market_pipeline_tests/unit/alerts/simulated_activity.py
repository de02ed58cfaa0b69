"""How much is traded over weeks: by the minute, with days and hours that are busier than others.

A share trades most at the opening and the close; days differ by half to both sides, half hours within a day too, and
trades come in bunches. Holidays and half days are written down by hand, as in ``simulated_market``.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from random import Random

from market_pipeline.alerts.look import Look
from market_pipeline_tests.unit.alerts.looks import WELL
from market_pipeline_tests.unit.alerts.simulated_market import AAPL, BTC, EUR, NEW_YORK

MINUTES_OF_WINDOW = 10
SAMPLES_APART = 5
BUNCH = 3.0
HOLIDAYS = {date(2026, 11, 26), date(2026, 12, 25), date(2027, 1, 1)}
HALF_DAYS = {date(2026, 11, 27), date(2026, 12, 24)}
QUIET_PART = 0.4
OPENS, CLOSES, CLOSES_EARLY = 570, 960, 780
FOREX_TURNS = 1020
"""Minutes of New York's day."""


def share_at(day: date, minute: int, traded: float) -> float:
    """Trades a minute of a share; ``traded`` is the day's own factor."""
    if day.weekday() > 4 or day in HOLIDAYS:
        return 0.0
    closes = CLOSES_EARLY if day in HALF_DAYS else CLOSES
    if not OPENS <= minute < closes:
        return 0.2 if 240 <= minute < 1200 else 0.0
    from_noon = 2 * (minute - OPENS) / (closes - OPENS) - 1
    return 120.0 * (1 + 3 * from_noon**4) * traded


def bitcoin_at(day: date, minute: int, traded: float) -> float:
    week_end = 0.5 if day.weekday() > 4 or day in HOLIDAYS else 1.0
    return 150.0 * week_end * (1 + 0.5 * math.sin(2 * math.pi * (minute - 300) / 1440)) * traded


def euro_at(day: date, minute: int, traded: float) -> float:
    """Nearly dead on Christmas and from the evening of New Year's Eve on."""
    weekday = day.weekday()
    if weekday == 5 or (weekday == 4 and minute >= FOREX_TURNS) or (weekday == 6 and minute < FOREX_TURNS):
        return 0.0
    trading_day = day + timedelta(days=minute >= FOREX_TURNS)
    dead = trading_day in HOLIDAYS and trading_day.month != 11
    return (2.0 if dead else 100.0) * (1 + 0.8 * math.sin(2 * math.pi * (minute - 120) / 1440)) * traded


ACTIVITY: Mapping[str, Callable[[date, int, float], float]] = {AAPL: share_at, BTC: bitcoin_at, EUR: euro_at}


@dataclass
class SimulatedActivity:
    """A look each minute at what some symbols bring, from a midnight in New York to another.

    Attributes:
        first, last: days, both included.
        quiet: days that bring 40 % of the usual.
        comes: which part of the trades reaches us at a time (epoch seconds).
    """

    first: date
    last: date
    symbols: tuple[str, ...]
    quiet: frozenset[date] = frozenset()
    comes: Callable[[float], float] = lambda at: 1.0
    seed: int = 1
    past: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)

    def looks(self, starts: float) -> Iterator[Look]:
        """Those from ``starts`` on, with the history of all before."""
        arrivals: deque[int] = deque(maxlen=MINUTES_OF_WINDOW)
        for number, (at, count) in enumerate(self._minutes()):
            arrivals.append(count)
            now = at + 67.0  # looks are not at the full minute
            if not number % SAMPLES_APART:
                self.past.append((now, float(sum(arrivals))))
            if now >= starts:
                yield replace(WELL, now=now, symbols=self.symbols, arrivals=sum(arrivals), past_arrivals=self.past)

    def _minutes(self) -> Iterator[tuple[float, int]]:
        day, slow = self.first, 0.0
        while day <= self.last:
            traded = {each: self._random.uniform(0.5, 1.5) for each in self.symbols}
            factor = QUIET_PART if day in self.quiet or day in HALF_DAYS else 1.0
            for minute in range(1440):
                local = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=NEW_YORK)
                slow = 0.95 * slow + 0.12 * self._random.gauss(0, 1)  # some 40 % from half hour to half hour
                at = local.timestamp()
                mean = sum(ACTIVITY[each](day, minute, traded[each] * factor) for each in self.symbols)
                yield at, self._trades(mean * math.exp(slow) * self.comes(at))
            day += timedelta(days=1)

    def _trades(self, mean: float) -> int:
        bunches = mean / BUNCH
        if bunches > 30.0:
            return max(0, round(BUNCH * self._random.gauss(bunches, math.sqrt(bunches))))
        chance, count = math.exp(-bunches), -1
        reached = 1.0
        while reached > chance or count < 0:
            reached *= self._random.random()
            count += 1
        return round(BUNCH * count)
