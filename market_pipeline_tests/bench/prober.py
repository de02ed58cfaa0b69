"""Received → queryable, as a reader sees it: takes trades off Kafka and asks Cassandra until each can be read."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from cassandra.cluster import Session
from confluent_kafka import Consumer, TopicPartition

from market_pipeline.broker.client import client_config
from market_pipeline.broker.offsets import end_offsets
from market_pipeline.model import Trade, decode, is_probe
from market_pipeline.settings import Settings

GIVE_UP_S = 20.0
ASK_AGAIN_S = 0.0005


class Prober:
    """Asks the tables of one keyspace."""

    def __init__(self, session: Session, keyspace: str) -> None:
        self._session = session
        self._silver = session.prepare(
            f"SELECT trade_id FROM {keyspace}.trades_silver WHERE symbol = ? AND bucket = ? AND ts = ? AND trade_id = ?"
        )
        self._bar = None
        session.cluster.refresh_schema_metadata()
        if "ohlcv_1m" in session.cluster.metadata.keyspaces[keyspace].tables:
            self._bar = session.prepare(
                f"SELECT trades, WRITETIME(close) AS us FROM {keyspace}.ohlcv_1m "
                "WHERE symbol = ? AND day = ? AND ts = ?"
            )

    def is_queryable(self, trade: Trade) -> bool:
        at = datetime.fromtimestamp(trade.ts / 1000, UTC)
        hour = at.replace(minute=0, second=0, microsecond=0)
        return self._session.execute(self._silver, (trade.symbol, hour, at, trade.trade_id)).one() is not None

    def is_in_bar(self, trade: Trade) -> bool:
        """Whether its bar has been written since the trade was received: a bar's write time is the receipt of its
        newest trade, plus the number of trades (``Bar.writeTime``)."""
        at = datetime.fromtimestamp(trade.ts / 1000, UTC)
        row = self._session.execute(self._bar, (trade.symbol, at.date(), at.replace(second=0, microsecond=0))).one()
        return row is not None and (row.us - row.trades) // 1000 >= trade.received_at // 1000


def latencies_ms(settings: Settings, prober: Prober, seconds: float, *, of_bars: bool = False) -> list[float]:
    """Milliseconds from the receipt of a trade to the first read that finds it, for trades picked over ``seconds``.

    The newest trade that Kafka has is picked, looked for until it is there, and then the next: an upper bound, since
    one that was there at the first look may have been there before. ``of_bars`` looks for it in its bar instead.
    """
    found = []
    is_there = prober.is_in_bar if of_bars else prober.is_queryable
    for trade in _newest_trades(settings, time.monotonic() + seconds):
        give_up = time.monotonic() + GIVE_UP_S
        while not is_there(trade) and time.monotonic() < give_up:
            time.sleep(ASK_AGAIN_S)
        found.append(time.time() * 1000 - trade.received_at / 1000)
    return found


def _newest_trades(settings: Settings, deadline: float) -> Iterator[Trade]:
    consumer = Consumer(client_config(settings) | {"group.id": "bench-prober", "enable.auto.commit": False})
    try:
        ends = end_offsets(settings, settings.topic)
        consumer.assign([TopicPartition(settings.topic, p, o) for p, o in ends.items()])
        while time.monotonic() < deadline:
            values = [m.value() or b"" for m in consumer.consume(2_000, timeout=0.002) if not m.error()]
            trades = [value for value in values if not is_probe(value)]
            if trades:
                yield decode(trades[-1])
    finally:
        consumer.close()
