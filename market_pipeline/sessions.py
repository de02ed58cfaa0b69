"""When markets trade: crypto always, forex 24/5 but for two holidays, CFDs 23/5 with Chicago's holidays, US stocks by
New York's calendar.

A symbol's kind comes from the vendor's prefix and, at a broker, from its name. Times in and out bear a zone; days of
``regular_hours`` are New York's. The calendars are those of exchange_calendars, loaded a year at a time and only when a
stock or a CFD is asked for (it brings pandas).

CFDs are a broker's metals, commodities and indices. OANDA and others pause them from 17:00 to 18:00 New York time each
day, and close them early on US holidays, as CME does with the futures that they follow.
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

CFD_DAY_OPENS, CFD_DAY_CLOSES = time(18), time(17)
"""A trading day of CFDs lasts from this New York time of the day before, with an hour's break between two."""

_SATURDAY = 5
_SEPARATORS = str.maketrans("", "", "_/-. ")
FOREX_VENUES = frozenset(
    {"OANDA", "FXCM", "FOREX", "FOREX.COM", "FX", "FXPRO", "FHFX", "IC MARKETS", "ICM", "PEPPERSTONE", "SAXO", "FXPIG"}
)

CURRENCIES = frozenset({
    "AED", "ARS", "AUD", "BGN", "BRL", "CAD", "CHF", "CLP", "CNH", "CNY", "COP", "CZK", "DKK", "EUR", "GBP",
    "HKD", "HUF", "IDR", "ILS", "INR", "ISK", "JPY", "KRW", "KZT", "MAD", "MXN", "MYR", "NGN", "NOK", "NZD",
    "PEN", "PHP", "PLN", "QAR", "RON", "RUB", "SAR", "SEK", "SGD", "THB", "TRY", "TWD", "UAH", "USD", "VND",
    "ZAR",
})  # fmt: skip
ROUND_THE_CLOCK = (
    "XAU", "XAG", "XPT", "XPD", "XCU", "US30", "SPX", "US500", "NAS100", "US100", "US2000", "NATGAS", "WTI", "BCO",
    "UKOIL", "USOIL",
)  # fmt: skip
"""How the names of CFDs begin that are traded in all of their 23 hours."""
HOME_EXCHANGES = {
    "DE30": "XETR", "DE40": "XETR", "GER": "XETR", "EU50": "XETR", "EUSTX": "XETR", "FR40": "XPAR", "FRA40": "XPAR",
    "UK100": "XLON", "NL25": "XAMS", "ESP35": "XMAD", "ES35": "XMAD", "CH20": "XSWX", "JP225": "XTKS", "JPN225": "XTKS",
    "HK33": "XHKG", "HKG33": "XHKG", "AU200": "XASX", "AUS200": "XASX", "TWIX": "XTAI",
}  # fmt: skip
"""The exchange behind an index, if its holidays can be computed: outside its session the CFD is open and quiet."""

Span = tuple[datetime, datetime]
"""From, inclusive, to, exclusive; both UTC."""


class MarketKind(StrEnum):
    STOCK = "stock"
    CRYPTO = "crypto"
    FOREX = "forex"
    CFD = "cfd"


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
    crypto exchange. A forex venue's symbol is a pair of currencies, or a number that tells nothing, or else a CFD.
    """
    venue, colon, name = symbol.partition(":")
    if not colon:
        return MarketKind.STOCK
    if venue.upper() not in FOREX_VENUES:
        return MarketKind.CRYPTO
    letters = "".join(filter(str.isalpha, name.upper()))
    is_pair = letters == name.upper().translate(_SEPARATORS) and {letters[:3], letters[3:6]} <= CURRENCIES
    return MarketKind.FOREX if is_pair or not letters else MarketKind.CFD


def market_of(symbol: str) -> str:
    """A name that all symbols have in common whose markets keep the same hours."""
    kind = kind_of(symbol)
    if kind is not MarketKind.CFD or _is_round_the_clock(symbol):
        return kind
    return f"{kind} {_home_exchange(symbol) or 'without an exchange'}"


def _is_round_the_clock(symbol: str) -> bool:
    return _name(symbol).startswith(ROUND_THE_CLOCK)


def _home_exchange(symbol: str) -> str | None:
    return next((home for name, home in HOME_EXCHANGES.items() if _name(symbol).startswith(name)), None)


def _name(symbol: str) -> str:
    return symbol.partition(":")[2].upper()


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
    return _cfd_session(symbol, at) if kind is MarketKind.CFD else _stock_session(at)


def regular_hours(day: date) -> Span | None:
    """Opening and closing of US stocks' regular session on a New York day; None when there is no session."""
    return _sessions_of("XNYS", day.year).get(day)


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
    elif kind is MarketKind.CFD:
        spans = _cfd_days(start, end)
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


def _cfd_session(symbol: str, at: datetime) -> Session:
    if not any(opens <= at < closes for opens, closes in _cfd_days(at, at)):
        return Session.CLOSED
    if _is_round_the_clock(symbol):
        return Session.CONTINUOUS
    home = _home_exchange(symbol)
    days = (at.astimezone(UTC).date() + timedelta(days=n) for n in (-1, 0, 1)) if home is not None else ()
    hours = [_sessions_of(home or "", day.year).get(day) for day in days]
    at_home = any(span is not None and span[0] <= at < span[1] for span in hours)
    return Session.REGULAR if at_home else Session.AFTER_HOURS


def _cfd_days(start: datetime, end: datetime) -> Iterator[Span]:
    """The trading days that touch the time from ``start`` to ``end``."""
    day = start.astimezone(NEW_YORK).date()
    while (opens := _new_york(day - timedelta(days=1), CFD_DAY_OPENS)) <= end:
        hours = _sessions_of("CMES", day.year).get(day)
        if hours is not None:
            yield opens, min(hours[1], _new_york(day, CFD_DAY_CLOSES))
        day += timedelta(days=1)


@lru_cache(maxsize=64)
def _sessions_of(exchange: str, year: int) -> dict[date, Span]:
    """Opening and closing of each day that the exchange is open, in its own zone."""
    import exchange_calendars

    calendar = exchange_calendars.get_calendar(exchange, start=f"{year}-01-01", end=f"{year}-12-31")
    return {
        session.date(): (opens.to_pydatetime().astimezone(UTC), closes.to_pydatetime().astimezone(UTC))
        for session, opens, closes in calendar.schedule[["open", "close"]].itertuples()
    }
