"""How long the newest trades took from their event to being received, and from there to being written."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args

from market_pipeline.model import is_filled
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import CONCURRENT_STATEMENTS, prepared


class Delay(NamedTuple):
    """Of one trade, in seconds: event → received, the vendor's part; received → written, ours."""

    vendor_s: float
    ours_s: float


def newest_delays(session: Session, settings: Settings, symbols: Sequence[str], since: datetime) -> list[Delay]:
    """How long the newest trade of each symbol took, of those that were written since then.

    "Newest" goes by event time, of this UTC hour and the one before. A trade that was filled in says nothing of it.

    Raises:
        any of ``STORE_ERRORS``: Cassandra fails, or the tables are not there yet.
    """
    query = prepared(
        session,
        f"SELECT ts, trade_id, received_at, ingested_at FROM {settings.keyspace}.trades_silver "
        "WHERE symbol = ? AND bucket = ? LIMIT 1",
    )
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    places = [(symbol, bucket) for symbol in symbols for bucket in (hour - timedelta(hours=1), hour)]
    answers = execute_concurrent_with_args(session, query, places, concurrency=CONCURRENT_STATEMENTS)
    newest = {symbol: row for (symbol, _), (_, found) in zip(places, answers, strict=True) if (row := found.one())}
    return [
        Delay((row.received_at - row.ts).total_seconds(), (row.ingested_at - row.received_at).total_seconds())
        for row in newest.values()
        if row.ingested_at.replace(tzinfo=UTC) >= since and not is_filled(row.trade_id)
    ]
