"""What bronze may lack of a day, so that a rebuild deletes nothing that only Cassandra still has."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from market_pipeline.bronze.archive import archive_gaps, bronze_files
from market_pipeline.bronze.manifest import OffsetGap
from market_pipeline.model import MAX_AHEAD_MS, trade_id
from market_pipeline.settings import Settings

_LAST_INDEX = 99_999


@dataclass(frozen=True)
class Lacking:
    """Which trades may be missing in bronze although they were received.

    Attributes:
        whole_day: bronze has no file of the day, so that it says nothing of it.
        until: records received by this moment may be among those that Kafka deleted before they were archived; None
            when none was. The event time of what is gone is not known, so it may concern every day up to this moment.
    """

    whole_day: bool = False
    until: datetime | None = None

    def trade(self, identity: str) -> bool:
        """Whether a trade that bronze does not have may be a true one, by its ``trade_id``."""
        if self.whole_day:
            return True
        return self.until is not None and identity <= trade_id(int(self.until.timestamp() * 1_000_000), _LAST_INDEX)

    def minute(self, start: datetime) -> bool:
        """Whether trades of a minute may be missing; the feed's clock may be a little ahead of the receiver's."""
        if self.whole_day:
            return True
        return self.until is not None and start <= self.until + timedelta(milliseconds=MAX_AHEAD_MS)


def lacking(settings: Settings, day: date) -> Lacking:
    """What bronze may lack of a UTC day. Bring it up to date before, and use this within ``archive.reading``.

    Raises:
        ArchiveError: the manifest is damaged.
    """
    return judge(archive_gaps(settings), has_files=bool(bronze_files(settings, day)))


def judge(gaps: tuple[OffsetGap, ...], *, has_files: bool) -> Lacking:
    """The same, from what was lost and whether bronze has a file of the day. Pure."""
    noticed = [datetime.fromisoformat(gap.noticed_at).astimezone(UTC) for gap in gaps]
    # the moment is kept in whole seconds
    return Lacking(not has_files, max(noticed) + timedelta(seconds=1) if noticed else None)
