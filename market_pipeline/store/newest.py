"""The newest trade that can be queried, as a reader finds it."""

from datetime import UTC, datetime

from cassandra.cluster import Session

from market_pipeline.settings import Settings

CANDIDATES = 5
"""``latest_prices`` may have a trade some milliseconds before ``trades_silver`` has it."""


def newest_received_at(session: Session, settings: Settings) -> datetime | None:
    """When the newest queryable trade was received; None when there is none.

    It is the trade of ``latest_prices`` that arrived last, as ``trades_silver`` has it: its ``trade_id`` can't tell,
    for a trade that is replayed keeps that of its recording.

    Raises:
        any of ``STORE_ERRORS``: Cassandra fails, or the tables are not there yet.
    """
    prices = session.execute(f"SELECT symbol, ts, trade_id FROM {settings.keyspace}.latest_prices")
    query = session.prepare(
        f"SELECT received_at FROM {settings.keyspace}.trades_silver "
        "WHERE symbol = ? AND bucket = ? AND ts = ? AND trade_id = ?"
    )
    for price in sorted(prices, key=lambda row: row.trade_id, reverse=True)[:CANDIDATES]:
        hour = price.ts.replace(minute=0, second=0, microsecond=0)
        trade = session.execute(query, (price.symbol, hour, price.ts, price.trade_id)).one()
        if trade is not None:
            return trade.received_at.replace(tzinfo=UTC)  # type: ignore[no-any-return]
    return None
