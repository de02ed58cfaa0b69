"""The verdict ``complete`` of stored bars: whether the feed listened through all of a bar's time.

True comes from the batch alone, at the write time from before it read the down-times; false comes also, at once, from
who stores a down-time. So whichever ends first, what knew of the down-time wins. A verdict never stands without a bar:
only bars that are there are judged, and a verdict leaves with its bar (its time to live is what is left of the bar's).

The down-times are those that are known. Days before the first listening have none: a bar out of a recording of such a
day is taken for whole.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from time import time_ns
from typing import Any

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args

from market_pipeline.quality.minutes import MINUTE, DownTime, unheard_minutes, verdict
from market_pipeline.sessions import open_spans, utc_day
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import CONCURRENT_STATEMENTS, prepared


def mark_incomplete(
    session: Session, settings: Settings, symbol: str, day: date, down_times: Sequence[DownTime]
) -> None:
    """Mark the symbol's bars of a UTC day, of the minutes and of the day itself, that the down-times overlap."""
    unheard = unheard_minutes(down_times, *utc_day(day))
    if not unheard:
        return
    bars = _minutes(session, settings, symbol, day, min(unheard), max(unheard))
    now_us = _now_us()
    _judge(session, settings, symbol, day, [(bar, False) for bar in bars if _start(bar) in unheard], now_us)
    if _day_verdict(symbol, day, down_times, datetime.now(UTC)) is False:
        _judge_day(session, settings, symbol, day, False, now_us)


def judge_minutes(
    session: Session, settings: Settings, symbol: str, day: date, down_times: Sequence[DownTime], as_of_us: int
) -> int:
    """Judge each of the symbol's bars of a UTC day's minutes; a minute that is not over has no verdict yet.

    Args:
        session: an open session.
        settings: for the keyspace.
        symbol: the symbol.
        day: a UTC day.
        down_times: all that are known, read after ``as_of_us``.
        as_of_us: what had happened by then is judged, epoch microseconds.

    Returns:
        how many bars are incomplete.
    """
    unheard = unheard_minutes(down_times, *utc_day(day))
    bars = _minutes(session, settings, symbol, day, *utc_day(day))
    over_by = datetime.fromtimestamp(as_of_us / 1e6, UTC)
    verdicts = [
        (bar, _start(bar) not in unheard)
        for bar in bars
        if _start(bar) in unheard or _start(bar) + MINUTE <= over_by
    ]  # fmt: skip
    _judge(session, settings, symbol, day, verdicts, as_of_us)
    return sum(not complete for _, complete in verdicts)


def judge_day(
    session: Session, settings: Settings, symbol: str, day: date, down_times: Sequence[DownTime], as_of_us: int
) -> bool | None:
    """Judge the symbol's bar of a UTC day, if there is one, over the time in which its market was open.

    Nothing can be missed while a market is closed: a restart at night does not spoil the day of a stock. The arguments
    are those of ``judge_minutes``.
    """
    found = _day_verdict(symbol, day, down_times, datetime.fromtimestamp(as_of_us / 1e6, UTC))
    _judge_day(session, settings, symbol, day, found, as_of_us)
    return found


def _day_verdict(symbol: str, day: date, down_times: Sequence[DownTime], now: datetime) -> bool | None:
    whole = utc_day(day)
    return verdict(open_spans(symbol, *whole) or [whole], down_times, now)


def _minutes(
    session: Session, settings: Settings, symbol: str, day: date, first: datetime, last: datetime
) -> list[Any]:
    ask = prepared(
        session,
        f"SELECT ts, open, complete, TTL(open) AS ttl FROM {settings.keyspace}.ohlcv_1m "
        "WHERE symbol = ? AND day = ? AND ts >= ? AND ts <= ?",
    )
    return list(session.execute(ask, (symbol, day, first, last)))


def _judge(
    session: Session,
    settings: Settings,
    symbol: str,
    day: date,
    verdicts: Iterable[tuple[Any, bool]],
    as_of_us: int,
) -> None:
    update = prepared(
        session,
        f"UPDATE {settings.keyspace}.ohlcv_1m USING TIMESTAMP ? AND TTL ? SET complete = ? "
        "WHERE symbol = ? AND day = ? AND ts = ?",
    )
    forget = prepared(
        session,
        f"DELETE complete FROM {settings.keyspace}.ohlcv_1m USING TIMESTAMP ? WHERE symbol = ? AND day = ? AND ts = ?",
    )
    changed = [(bar, complete) for bar, complete in verdicts if bar.complete is not complete]
    given = [(as_of_us, bar.ttl or 0, c, symbol, day, bar.ts) for bar, c in changed if bar.open is not None]
    # a rebuild deleted the bar while its verdict was on the way
    left = [(_now_us(), symbol, day, bar.ts) for bar, _ in verdicts if bar.open is None and bar.complete is not None]
    for statement, arguments in ((update, given), (forget, left)):
        execute_concurrent_with_args(
            session, statement, arguments, concurrency=CONCURRENT_STATEMENTS, raise_on_first_error=True
        )


def _judge_day(session: Session, settings: Settings, symbol: str, day: date, found: bool | None, as_of_us: int) -> None:
    ask = prepared(session, f"SELECT open, complete FROM {settings.keyspace}.ohlcv_1d WHERE symbol = ? AND day = ?")
    bar = session.execute(ask, (symbol, day)).one()
    if bar is None or bar.complete is found:
        return
    # a bar without a price was deleted by a rebuild while its verdict was on the way
    written_us, given = (as_of_us, found) if bar.open is not None else (_now_us(), None)
    update = prepared(
        session, f"UPDATE {settings.keyspace}.ohlcv_1d USING TIMESTAMP ? SET complete = ? WHERE symbol = ? AND day = ?"
    )
    session.execute(update, (written_us, given, symbol, day))


def _start(bar: Any) -> datetime:
    """Of a bar of a minute; Cassandra's driver gives UTC without a zone."""
    start: datetime = bar.ts.replace(tzinfo=UTC)
    return start


def _now_us() -> int:
    return time_ns() // 1000
