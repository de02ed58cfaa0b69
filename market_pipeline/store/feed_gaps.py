"""The feed's down-times, by symbol and UTC day: written by the producer, read by whoever judges a day.

One whose trades were filled in from a second source is a down-time no more, for those who judge a day; its row stays.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from cassandra.cluster import Session

from market_pipeline.quality.minutes import DownTime
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect, prepared
from market_pipeline.store.completeness import mark_incomplete

GapOfDay = tuple[str, date, datetime, datetime, str]
"""Symbol, UTC day, start, end and reason of a down-time's part within the day."""


class StoredGap(NamedTuple):
    """A row: a down-time's part within a UTC day; ``filled_at`` is None while it is a gap."""

    symbol: str
    day: date
    started_at: datetime
    ended_at: datetime
    reason: str
    filled_at: datetime | None = None


def write_gaps(settings: Settings, rows: Iterable[GapOfDay]) -> None:
    """Insert the rows into ``feed_gaps``, then mark the bars that they overlap; the same gap twice is the same rows.

    In this order, so that a batch that judges the bars meanwhile has either read the rows or is outvoted.

    Raises:
        StoreUnreachableError: no node answers.
        store.cluster.STORE_ERRORS: the insert failed; what was written stays.
    """
    with connect(settings) as session:
        insert = session.prepare(
            f"INSERT INTO {settings.keyspace}.feed_gaps (symbol, day, started_at, ended_at, reason) "
            "VALUES (?, ?, ?, ?, ?)"
        )
        parts: dict[tuple[str, date], list[DownTime]] = {}
        for symbol, day, started_at, ended_at, reason in rows:
            # Cassandra keeps milliseconds and would cut the rest off: a gap may be told too long, never too short
            end = ended_at + (-ended_at.microsecond % 1000) * timedelta(microseconds=1)
            session.execute(insert, (symbol, day, started_at, end, reason))
            parts.setdefault((symbol, day), []).append((started_at, end))
        for (symbol, day), down_times in parts.items():
            mark_incomplete(session, settings, symbol, day, down_times)


def gap_spans(
    session: Session, settings: Settings, symbol: str, days: Sequence[date], as_of: datetime | None = None
) -> Iterator[DownTime]:
    """The down-times that began on the days and were not filled, or only after ``as_of``.

    Who builds from bronze, as it was brought up to date at some moment, has no trade that was filled in later.
    """
    for day in days:
        for gap in _gaps(session, settings, symbol, day):
            if gap.filled_at is None or (as_of is not None and gap.filled_at > as_of):
                yield gap.started_at, gap.ended_at


def stored_gaps(session: Session, settings: Settings, days: Collection[date]) -> list[StoredGap]:
    """Each down-time that began on the days, of every symbol there is, filled or not."""
    keys = session.execute(f"SELECT DISTINCT symbol, day FROM {settings.keyspace}.feed_gaps")
    wanted = sorted((row.symbol, row.day.date()) for row in keys if row.day.date() in days)
    return [gap for symbol, day in wanted for gap in _gaps(session, settings, symbol, day)]


def mark_filled(
    session: Session, settings: Settings, gap: StoredGap, filled_at: datetime, trades: int
) -> None:  # fmt: skip
    """The gap's trades are filled in, so many. Written whole, so that its row has one time to live."""
    insert = prepared(
        session,
        f"INSERT INTO {settings.keyspace}.feed_gaps "
        "(symbol, day, started_at, ended_at, reason, filled_at, filled_trades) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    session.execute(insert, (*gap[:5], filled_at, trades))


def _gaps(session: Session, settings: Settings, symbol: str, day: date) -> Iterator[StoredGap]:
    ask = prepared(
        session,
        f"SELECT started_at, ended_at, reason, filled_at FROM {settings.keyspace}.feed_gaps "
        "WHERE symbol = ? AND day = ?",
    )
    for row in session.execute(ask, (symbol, day)):
        filled_at = row.filled_at and row.filled_at.replace(tzinfo=UTC)
        span = row.started_at.replace(tzinfo=UTC), row.ended_at.replace(tzinfo=UTC)
        yield StoredGap(symbol, day, *span, row.reason, filled_at)
