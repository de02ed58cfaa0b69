"""When the feed was not heard, as a day is judged: the down-times that are over, and the one that lasts."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from cassandra.cluster import Session

from market_pipeline.quality.minutes import DownTime
from market_pipeline.settings import Settings
from market_pipeline.store.feed_gaps import gap_spans
from market_pipeline.supervision.heartbeat import Beat, read_heartbeat


def down_times(
    session: Session,
    settings: Settings,
    symbol: str,
    day: date,
    still_down: Sequence[DownTime],
    as_of_us: int | None = None,
) -> list[DownTime]:
    """Those that can overlap a UTC day: that began on it or the day before, and ``lasting`` ones.

    One that was filled is none any more, unless that was after ``as_of_us`` (epoch microseconds).
    """
    as_of = None if as_of_us is None else datetime.fromtimestamp(as_of_us / 1e6, UTC)
    return [*gap_spans(session, settings, symbol, (day - timedelta(days=1), day), as_of), *still_down]


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
