"""When markets trade: crypto always, forex 24/5 but for two holidays, US stocks by New York's calendar.

A symbol's kind comes from the vendor's prefix. Times in and out bear a zone; days of ``regular_hours`` are New York's.
The calendar is exchange_calendars' XNYS, loaded a year at a time and only when a stock is asked for (it brings pandas).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")

PRE_MARKET_OPENS = time(4)
AFTER_HOURS_CLOSE = time(20)
AFTER_HOURS_CLOSE_HALF_DAY = time(17)
REGULAR_CLOSE = time(16)
"""A session that closes before this is a half day; its after-hours trading ends at 17:00."""
FOREX_DAY_TURNS = time(17)
"""A trading day of forex lasts from this New York time of the day before to the same time; Monday's is the first."""
FOREX_HOLIDAYS = frozenset({(1, 1), (12, 25)})
"""Trading days (month, day) on which no venue trades; what is a holiday of one country alone is none of forex."""

_SATURDAY = 5
FOREX_VENUES = frozenset(
    {"OANDA", "FXCM", "FOREX", "FOREX.COM", "FX", "FXPRO", "FHFX", "IC MARKETS", "ICM", "PEPPERSTONE", "SAXO", "FXPIG"}
)

Span = tuple[datetime, datetime]
"""From, inclusive, to, exclusive; both UTC."""


class MarketKind(StrEnum):
    STOCK = "stock"
    CRYPTO = "crypto"
    FOREX = "forex"


class Session(StrEnum):
    """What a market does at one moment. ``continuous`` is a market without an opening and a closing auction."""

    CLOSED = "closed"
    PRE_MARKET = "pre-market"
    REGULAR = "regular"
    AFTER_HOURS = "after-hours"
    CONTINUOUS = "continuous"


def kind_of(symbol: str) -> MarketKind:
    """The kind of market behind a vendor's symbol.

    A symbol without a prefix is a US stock (the vendor streams no others); a prefix that isn't a forex venue is a
    crypto exchange.
    """
    venue, colon, _ = symbol.partition(":")
    if not colon:
        return MarketKind.STOCK
    return MarketKind.FOREX if venue.upper() in FOREX_VENUES else MarketKind.CRYPTO


BUSY = (Session.REGULAR, Session.CONTINUOUS)
"""Outside the regular session few stocks trade, and those seldom: silence there is no fault."""


def is_busy(symbol: str, at: datetime) -> bool:
    """Whether the symbol's market is in a session in which trades are to be expected.

    Raises:
        ValueError: ``at`` has no zone.
    """
    return session_of(symbol, at) in BUSY


def session_of(symbol: str, at: datetime) -> Session:
    """The session of the symbol's market at ``at``.

    Raises:
        ValueError: ``at`` has no zone.
    """
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    kind = kind_of(symbol)
    if kind is MarketKind.CRYPTO:
        return Session.CONTINUOUS
    if kind is MarketKind.FOREX:
        return Session.CONTINUOUS if _forex_open(at) else Session.CLOSED
    return _stock_session(at)


def regular_hours(day: date) -> Span | None:
    """Opening and closing of US stocks' regular session on a New York day; None when there is no session."""
    return _sessions_of(day.year).get(day)


def extended_hours(day: date) -> Span | None:
    """From pre-market to the end of after-hours trading on a New York day; None when there is no session."""
    regular = regular_hours(day)
    if regular is None:
        return None
    half_day = regular[1].astimezone(NEW_YORK).time() < REGULAR_CLOSE
    closes = AFTER_HOURS_CLOSE_HALF_DAY if half_day else AFTER_HOURS_CLOSE
    return _new_york(day, PRE_MARKET_OPENS), _new_york(day, closes)


def open_spans(symbol: str, start: datetime, end: datetime) -> list[Span]:
    """The parts of [start, end) in which the symbol can trade, in order, as UTC."""
    kind = kind_of(symbol)
    if kind is MarketKind.CRYPTO:
        spans: Iterator[Span] = iter([(start, end)])
    elif kind is MarketKind.FOREX:
        spans = _forex_days(start, end)
    else:
        spans = _stock_days(start, end)
    clipped = ((max(a, start).astimezone(UTC), min(b, end).astimezone(UTC)) for a, b in spans)
    return [(a, b) for a, b in clipped if a < b]


def utc_day(day: date) -> Span:
    """A UTC day from its midnight to the next."""
    start = datetime.combine(day, time(), UTC)
    return start, start + timedelta(days=1)


def open_minutes(symbol: str, day: date) -> int:
    """How many minutes of a UTC day the symbol can trade."""
    open_for = sum((b - a for a, b in open_spans(symbol, *utc_day(day))), timedelta())
    return int(open_for.total_seconds() // 60)


def _new_york(day: date, at: time) -> datetime:
    return datetime.combine(day, at, NEW_YORK).astimezone(UTC)


def _stock_session(at: datetime) -> Session:
    day = at.astimezone(NEW_YORK).date()
    extended, regular = extended_hours(day), regular_hours(day)
    if extended is None or regular is None or not extended[0] <= at < extended[1]:
        return Session.CLOSED
    if at < regular[0]:
        return Session.PRE_MARKET
    return Session.REGULAR if at < regular[1] else Session.AFTER_HOURS


def _stock_days(start: datetime, end: datetime) -> Iterator[Span]:
    day = start.astimezone(NEW_YORK).date()
    while day <= end.astimezone(NEW_YORK).date():
        hours = extended_hours(day)
        if hours is not None:
            yield hours
        day += timedelta(days=1)


def _forex_open(at: datetime) -> bool:
    local = at.astimezone(NEW_YORK)
    return _is_forex_day(local.date() + timedelta(days=local.time() >= FOREX_DAY_TURNS))


def _is_forex_day(day: date) -> bool:
    return day.weekday() < _SATURDAY and (day.month, day.day) not in FOREX_HOLIDAYS


def _forex_days(start: datetime, end: datetime) -> Iterator[Span]:
    """Days without a break between them are one span."""
    day, opened = start.astimezone(NEW_YORK).date(), None
    while (turns := _new_york(day - timedelta(days=1), FOREX_DAY_TURNS)) < end:
        if _is_forex_day(day):
            opened = turns if opened is None else opened
        elif opened is not None:
            yield opened, turns
            opened = None
        day += timedelta(days=1)
    if opened is not None:
        yield opened, turns


@lru_cache(maxsize=64)
def _sessions_of(year: int) -> dict[date, Span]:
    import exchange_calendars

    calendar = exchange_calendars.get_calendar("XNYS", start=f"{year}-01-01", end=f"{year}-12-31")
    return {
        session.date(): (opens.to_pydatetime().astimezone(UTC), closes.to_pydatetime().astimezone(UTC))
        for session, opens, closes in calendar.schedule[["open", "close"]].itertuples()
    }
