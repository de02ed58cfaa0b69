"""Received → queryable, as a reader sees it: takes trades off Kafka and asks Cassandra until each can be read."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from cassandra.cluster import Session
from confluent_kafka import Consumer, TopicPartition

from market_pipeline.broker.client import client_config
from market_pipeline.broker.offsets import end_offsets
from market_pipeline.model import decode
from market_pipeline.settings import Settings

GIVE_UP_S = 20.0


def latencies_ms(settings: Settings, session: Session, table: str, seconds: float) -> list[float]:
    """Milliseconds from the receipt of a trade to the first read that finds it, for trades picked over ``seconds``.

    The newest trade that Kafka has is picked, looked for until it is there, and then the next: an upper bound, since
    one that was there at the first look may have been there before.
    """
    lookup = session.prepare(
        f"SELECT trade_id FROM {table} WHERE symbol = ? AND bucket = ? AND ts = ? AND trade_id = ?"
    )
    deadline = time.monotonic() + seconds
    found = []
    for value in _newest_values(settings, deadline):
        trade = decode(value)
        at = datetime.fromtimestamp(trade.ts / 1000, tz=UTC)
        key = (trade.symbol, at.replace(minute=0, second=0, microsecond=0), at, trade.trade_id)
        give_up = time.monotonic() + GIVE_UP_S
        while session.execute(lookup, key).one() is None and time.monotonic() < give_up:
            time.sleep(0.0005)
        found.append(time.time() * 1000 - trade.received_at / 1000)
    return found


def _newest_values(settings: Settings, deadline: float) -> Iterator[bytes]:
    consumer = Consumer(client_config(settings) | {"group.id": "bench-prober", "enable.auto.commit": False})
    try:
        ends = end_offsets(settings, settings.topic)
        consumer.assign([TopicPartition(settings.topic, p, o) for p, o in ends.items()])
        while time.monotonic() < deadline:
            messages = [m for m in consumer.consume(2_000, timeout=0.002) if not m.error()]
            if messages:
                yield messages[-1].value() or b""
    finally:
        consumer.close()
