"""Writes the feed's down-times, by symbol and UTC day."""

from collections.abc import Iterable
from datetime import date, datetime

from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect

GapOfDay = tuple[str, date, datetime, datetime, str]
"""Symbol, UTC day, start, end and reason of a down-time's part within the day."""


def write_gaps(settings: Settings, rows: Iterable[GapOfDay]) -> None:
    """Insert the rows into ``feed_gaps``; the same gap twice is the same rows.

    Raises:
        StoreUnreachableError: no node answers.
        store.cluster.STORE_ERRORS: the insert failed; what was written stays.
    """
    with connect(settings) as session:
        insert = session.prepare(
            f"INSERT INTO {settings.keyspace}.feed_gaps (symbol, day, started_at, ended_at, reason) "
            "VALUES (?, ?, ?, ?, ?)"
        )
        for row in rows:
            session.execute(insert, row)
