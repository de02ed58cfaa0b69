"""What is known of each minute: whether something was traded, nothing was, or nobody listened. Pure.

Times are UTC with a zone; a minute is named by its start.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

DownTime = tuple[datetime, datetime | None]
"""From, inclusive, to, exclusive, the feed was not listened to; without an end it lasts."""
MINUTE = timedelta(minutes=1)


class MinuteState(StrEnum):
    """A minute without a bar is no missing data when the feed listened: then nothing was traded."""

    TRADED = "traded"
    QUIET = "quiet"
    UNKNOWN = "unknown"


def minutes_of(spans: Iterable[tuple[datetime, datetime]], until: datetime) -> Iterator[datetime]:
    """The whole minutes of the spans that were over by ``until``; spans begin at a minute."""
    for start, end in spans:
        at = start
        while at + MINUTE <= min(end, until):
            yield at
            at += MINUTE


def states(
    minutes: Iterable[datetime], traded: Container[datetime], unheard: Container[datetime]
) -> Iterator[tuple[datetime, MinuteState]]:
    """The state of each minute, from those that have a bar and those that ``unheard_minutes`` gives.

    A minute with a bar is traded even if the feed was down for a part of it: that the bar is not whole is told by its
    ``complete``.
    """
    for at in minutes:
        if at in traded:
            yield at, MinuteState.TRADED
        else:
            yield at, MinuteState.UNKNOWN if at in unheard else MinuteState.QUIET


def unheard_minutes(down_times: Iterable[DownTime], start: datetime, end: datetime) -> set[datetime]:
    """The minutes of [start, end) that a down-time overlaps; ``start`` is the start of a minute."""
    found: set[datetime] = set()
    for began, ended in down_times:
        at = start + max(began - start, timedelta()) // MINUTE * MINUTE
        until = end if ended is None else min(end, ended)
        while at < until:
            found.add(at)
            at += MINUTE
    return found


def verdict(spans: Sequence[tuple[datetime, datetime]], down_times: Sequence[DownTime], now: datetime) -> bool | None:
    """Whether the feed listened through all of the spans; None while one of them is not over and all is well so far."""
    if any(began < end and (ended is None or ended > start) for start, end in spans for began, ended in down_times):
        return False
    return None if any(end > now for _, end in spans) else True


def seconds_within(down_times: Iterable[DownTime], start: datetime, end: datetime) -> float:
    """Seconds of [start, end) that the down-times cover, overlaps once."""
    clipped = sorted((max(a, start), min(b or end, end)) for a, b in down_times if a < end)
    covered, reached = 0.0, start
    for a, b in clipped:
        if b > max(a, reached):
            covered += (b - max(a, reached)).total_seconds()
            reached = b
    return covered
