"""The feed's down-times, by symbol and UTC day: written by the producer, read by whoever judges a day."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from cassandra.cluster import Session

from market_pipeline.quality.minutes import DownTime
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect, prepared
from market_pipeline.store.completeness import mark_incomplete

GapOfDay = tuple[str, date, datetime, datetime, str]
"""Symbol, UTC day, start, end and reason of a down-time's part within the day."""


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


def gap_spans(session: Session, settings: Settings, symbol: str, days: Sequence[date]) -> Iterator[DownTime]:
    """The down-times that began on the days."""
    ask = prepared(
        session, f"SELECT started_at, ended_at FROM {settings.keyspace}.feed_gaps WHERE symbol = ? AND day = ?"
    )
    for day in days:
        for row in session.execute(ask, (symbol, day)):
            yield row.started_at.replace(tzinfo=UTC), row.ended_at.replace(tzinfo=UTC)


def gaps_of_day(session: Session, settings: Settings, day: date) -> Iterator[tuple[datetime, datetime, str, str]]:
    """Start, end, reason and symbol of each down-time that began on the day, of every symbol there is."""
    keys = session.execute(f"SELECT DISTINCT symbol, day FROM {settings.keyspace}.feed_gaps")
    symbols = [row.symbol for row in keys if row.day.date() == day]
    ask = prepared(
        session, f"SELECT started_at, ended_at, reason FROM {settings.keyspace}.feed_gaps WHERE symbol = ? AND day = ?"
    )
    for symbol in symbols:
        for row in session.execute(ask, (symbol, day)):
            yield row.started_at.replace(tzinfo=UTC), row.ended_at.replace(tzinfo=UTC), row.reason, symbol
