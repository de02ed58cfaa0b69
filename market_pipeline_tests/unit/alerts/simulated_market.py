"""Markets of a week, and what a pipeline that listens to them shows every half minute.

When each market is open is written down by hand, in New York's time: nothing here asks ``market_pipeline.sessions``, so
that a wrong calendar there is found out.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from random import Random
from zoneinfo import ZoneInfo

from market_pipeline.alerts.look import DeadLetters, Look
from market_pipeline.local.snapshot import Snapshot
from market_pipeline_tests.unit.alerts.looks import WELL

NEW_YORK = ZoneInfo("America/New_York")
LOOK_S = 30.0
LOOKS_OF_TEN_MINUTES = 20
PAST_THE_MINUTE_S = 7.0
"""Looks are not at the full minute: a session begins and ends between two of them."""

AAPL, BTC, EUR = "AAPL", "BINANCE:BTCUSDT", "OANDA:EUR_USD"
TRADES = {AAPL: (0, 4), BTC: (10, 50), EUR: (0, 6)}
"""Within half a minute of an open market, the fewest and the most."""
FULL_DAY, HALF_DAY = ("09:30", "16:00", "20:00"), ("09:30", "13:00", "17:00")
"""Opening, close, and the end of after-hours trading."""
PRE_MARKET = "04:00"
ODD, NONE = DeadLetters(3), DeadLetters(0)

Span = tuple[float, float]


def new_york(text: str) -> float:
    """Epoch seconds of a local time such as ``2026-11-27 13:00``."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()


@dataclass(frozen=True)
class Week:
    """Seven days from a midnight in New York.

    Attributes:
        first_day: its date.
        stocks: the hours of each day on which the exchange opens.
        forex: from when to when, in local time.
    """

    first_day: str
    stocks: Mapping[str, tuple[str, str, str]]
    forex: Sequence[tuple[str, str]]

    def looks(self) -> Iterator[float]:
        """When a look is taken, epoch seconds: an hour less or more of them where the clock changes."""
        last_midnight = datetime.fromisoformat(self.first_day) + timedelta(days=7)
        ends = new_york(last_midnight.isoformat())
        at = new_york(self.first_day) + PAST_THE_MINUTE_S
        while at < ends:
            yield at
            at += LOOK_S

    def sessions(self, symbol: str) -> list[Span]:
        """When the symbol's market is open so that trades must come."""
        if symbol == BTC:
            return [(0.0, float("inf"))]
        if symbol == EUR:
            return [(new_york(opens), new_york(closes)) for opens, closes in self.forex]
        return [(new_york(f"{day} {hours[0]}"), new_york(f"{day} {hours[1]}")) for day, hours in self.stocks.items()]

    def trickles(self, symbol: str) -> list[Span]:
        """When the symbol may trade now and then."""
        if symbol != AAPL:
            return []
        return [(new_york(f"{day} {PRE_MARKET}"), new_york(f"{day} {hours[2]}")) for day, hours in self.stocks.items()]


THANKSGIVING = Week(
    "2026-11-23",
    {"2026-11-23": FULL_DAY, "2026-11-24": FULL_DAY, "2026-11-25": FULL_DAY, "2026-11-27": HALF_DAY},
    [("2026-11-22 17:00", "2026-11-27 17:00"), ("2026-11-29 17:00", "2026-12-04 17:00")],
)
SPRING_FORWARD = Week(  # from the Friday before the clock changes, so that both kinds of days are in it
    "2026-03-06",
    dict.fromkeys(("2026-03-06", "2026-03-09", "2026-03-10", "2026-03-11", "2026-03-12"), FULL_DAY),
    [("2026-03-01 17:00", "2026-03-06 17:00"), ("2026-03-08 17:00", "2026-03-13 17:00")],
)
FALL_BACK = Week(
    "2026-10-30",
    dict.fromkeys(("2026-10-30", "2026-11-02", "2026-11-03", "2026-11-04", "2026-11-05"), FULL_DAY),
    [("2026-10-25 17:00", "2026-10-30 17:00"), ("2026-11-01 17:00", "2026-11-06 17:00")],
)


def within(spans: Sequence[Span], at: float) -> bool:
    return any(starts <= at < ends for starts, ends in spans)


@dataclass(frozen=True)
class Fault:
    """What goes wrong, from when, for how long.

    Attributes:
        seen: makes of a look at a pipeline that is well the one that is seen so many seconds after the start.
        mute: no trade reaches us meanwhile.
    """

    starts: float
    lasts_s: float
    seen: Callable[[Look, float], Look]
    mute: bool = False

    @property
    def ends(self) -> float:
        return self.starts + self.lasts_s


@dataclass
class SimulatedMarket:
    """The markets of some symbols, and the pipeline that listens to them.

    Attributes:
        clock: what the machine's clock shows at a true time; the markets keep to the true one.
    """

    week: Week
    symbols: tuple[str, ...]
    faults: Sequence[Fault] = ()
    clock: Callable[[float], float] = float
    _random: Random = field(default_factory=lambda: Random(20261123))
    _trades: deque[int] = field(default_factory=lambda: deque(maxlen=LOOKS_OF_TEN_MINUTES))
    _newest: dict[str, float] = field(default_factory=dict)
    _before: float = 0.0
    _lags: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._sessions = {symbol: self.week.sessions(symbol) for symbol in self.symbols}
        self._mute = [(fault.starts, fault.ends) for fault in self.faults if fault.mute]
        self._trickles = {symbol: self.week.trickles(symbol) for symbol in self.symbols}

    def looks(self, starts: float = 0.0, ends: float = float("inf")) -> Iterator[Look]:
        """Each look of the week, or of a part of it; what came in the ten minutes before the first is known too."""
        for at in self.week.looks():
            if at < starts - LOOKS_OF_TEN_MINUTES * LOOK_S:
                continue
            if at >= ends:
                return
            self._trade(at)
            found = self._look(at, [fault for fault in self.faults if fault.starts <= at < fault.ends])
            if at >= starts:
                yield found

    def _trade(self, at: float) -> None:
        """The half minute until ``at``."""
        trades, random = 0, self._random.random
        self._before = max(self._newest.values(), default=at - 86_400.0)
        for symbol in self.symbols:
            happens_at = at - LOOK_S * random()
            count = 0
            if within(self._sessions[symbol], happens_at):
                fewest, most = TRADES[symbol]
                count = int(fewest + (most + 1 - fewest) * random())
            elif within(self._trickles[symbol], happens_at):
                count = int(random() < 0.05)
            if count and not within(self._mute, happens_at):
                trades += count
                self._newest[symbol] = happens_at
        self._trades.append(trades)

    def _look(self, at: float, faults: Sequence[Fault]) -> Look:
        now, random = self.clock(at), self._random.random
        newest = max(self._newest.values(), default=at - 86_400.0)
        fresh = sum(at - received < 60.0 for received in self._newest.values())
        lag, age_s = 0, at - newest
        if self._trades[-1] and random() < 0.01:  # the last one is on its way: queryable is only the one before
            lag, age_s = 1, at - self._before
        well = replace(
            WELL,
            now=now,
            symbols=self.symbols,
            snapshot=_snapshot(lag, round(age_s, -1 if age_s < 600.0 else -3)),
            arrivals=sum(self._trades),
            delays_s=[0.02 + 0.2 * random()] * fresh,
            vendor_delays_s=[0.1 + 0.5 * random()] * fresh,
            dead_letters=ODD if random() < 0.05 else NONE,
            lags=self._lags_until(now, lag),
        )
        if not faults:
            return well
        for fault in faults:
            well = fault.seen(well, at - fault.starts)
        return replace(well, lags=self._lags_until(now, well.snapshot.stream.lag))

    def _lags_until(self, now: float, lag: int | None) -> list[tuple[float, float]]:
        """As the history of looks has them, which forgets what is from the future of a clock that was set back."""
        known = self._lags
        if known and known[-1][0] >= now:
            known = [each for each in known if each[0] < now]
        if lag is not None:
            known = [*known[1 - LOOKS_OF_TEN_MINUTES :], (now, lag)]
        self._lags = known
        return known


@cache
def _snapshot(lag: int, age_s: float) -> Snapshot:
    """Made once for each age, which is rounded: a week has many looks."""
    waiting_s = 0.1 if lag else None  # a trade on its way, however long ago the one before it came
    stream = replace(
        WELL.snapshot.stream,
        lag=lag,
        newest_event_age_s=age_s,
        oldest_waiting_age_s=waiting_s,
        last_progress_age_s=age_s + 9.0,
    )
    return replace(WELL.snapshot, stream=stream)
