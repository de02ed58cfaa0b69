"""The feed's down-times, by symbol and UTC day: written by the producer, read by whoever judges a day."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from cassandra.cluster import Session

from market_pipeline.quality.minutes import DownTime
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect, prepared
from market_pipeline.store.completeness import mark_incomplete
from market_pipeline.supervision.heartbeat import Beat, read_heartbeat

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


def down_times(
    session: Session, settings: Settings, symbol: str, day: date, still_down: Sequence[DownTime]
) -> list[DownTime]:
    """Those that can overlap a UTC day: that began on it or the day before, and ``lasting`` ones."""
    return [*gap_spans(session, settings, symbol, (day - timedelta(days=1), day)), *still_down]


def lasting(settings: Settings, now: datetime) -> list[DownTime]:
    """The down-time that is not over, which has no row yet, by the word of the producer on this machine."""
    since = unheard_since(read_heartbeat(settings.paths.heartbeat("producer")), now.timestamp())
    return [] if since is None else [(since, None)]


def unheard_since(beat: Beat | None, now: float) -> datetime | None:
    """Since when the feed is not heard, by the producer's heartbeat; None when it is, or nobody can tell. Pure.

    A producer that was killed can't tell: then since the last frame, as its successor will record it.
    """
    if beat is None:
        return None
    since = beat.detail.get("gap_since")
    if since is None and beat.is_stale(now):
        since = beat.detail.get("last_received_at") or beat.started_at
    return datetime.fromtimestamp(since, UTC) if isinstance(since, int | float) else None
