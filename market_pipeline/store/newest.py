"""The newest trade that can be queried, as a reader finds it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args

from market_pipeline.settings import Settings
from market_pipeline.store.cluster import CONCURRENT_STATEMENTS


def newest_received_at(session: Session, settings: Settings) -> datetime | None:
    """When the newest queryable trade was received; None when there is none.

    Raises:
        any of ``STORE_ERRORS``: Cassandra fails, or the tables are not there yet.
    """
    return max((each.received_at for each in queryable_prices(session, settings)), default=None)


class Price(NamedTuple):
    """A row of ``latest_prices``, and when its trade was received, by ``trades_silver``."""

    symbol: str
    price: Decimal
    volume: Decimal
    ts: datetime
    trade_id: str
    received_at: datetime


def queryable_prices(session: Session, settings: Settings) -> list[Price]:
    """The rows of ``latest_prices`` whose trade ``trades_silver`` has too.

    Each symbol's trade of ``latest_prices`` is looked up in ``trades_silver``, which alone has the time of receipt:
    ``trade_id`` can't tell, for a trade that is replayed keeps that of its recording. One that ``trades_silver`` does
    not have, because it comes some milliseconds later or its time to live is over, is passed over; so is a row that
    lacks a figure, which no trade of ours made.

    Raises:
        any of ``STORE_ERRORS``: Cassandra fails, or the tables are not there yet.
    """
    rows = session.execute(f"SELECT symbol, price, volume, ts, trade_id FROM {settings.keyspace}.latest_prices")
    prices = [row for row in rows if None not in (row.price, row.volume, row.ts, row.trade_id)]
    query = session.prepare(
        f"SELECT received_at FROM {settings.keyspace}.trades_silver "
        "WHERE symbol = ? AND bucket = ? AND ts = ? AND trade_id = ?"
    )
    places = [
        (price.symbol, price.ts.replace(minute=0, second=0, microsecond=0), price.ts, price.trade_id)
        for price in prices
    ]
    answers = execute_concurrent_with_args(session, query, places, concurrency=CONCURRENT_STATEMENTS)
    found = zip(prices, (rows.one() for _, rows in answers), strict=True)
    return [
        Price(row.symbol, row.price, row.volume, row.ts, row.trade_id, trade.received_at.replace(tzinfo=UTC))
        for row, trade in found
        if trade is not None and trade.received_at is not None
    ]
