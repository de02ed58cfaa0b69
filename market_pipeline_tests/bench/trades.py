"""Made trades, straight onto the topic: a backlog, or one to look for."""

import time
from collections.abc import Iterable, Iterator
from decimal import Decimal

from confluent_kafka import Producer

from market_pipeline.broker.client import client_config
from market_pipeline.model import Trade, encode, trade_id
from market_pipeline.settings import Settings

SYMBOLS = 20
FLUSH_WITHIN_S = 120.0


def made(symbol: str, at_us: int, ts: int | None = None) -> Trade:
    """A trade received at ``at_us`` (epoch microseconds), which happened at ``ts`` (epoch milliseconds) or then."""
    price = Decimal(100 + at_us % 97)
    return Trade(symbol, price, Decimal("0.5"), ts or at_us // 1000, trade_id(at_us, 0), 0, "bench", at_us)


def backlog(rows: int, symbols: int = SYMBOLS) -> Iterator[Trade]:
    """So many trades up to now: of each symbol one a millisecond, the symbols in turn."""
    now = time.time_ns() // 1000
    for index in range(rows):
        yield made(f"BENCH:{index % symbols}", now + index, now // 1000 - rows // symbols + index // symbols)


def produce(settings: Settings, trades: Iterable[Trade]) -> None:
    """Put trades on the topic as the pipeline's producer keys and encodes them; returns when Kafka has them."""
    producer = Producer(
        client_config(settings)
        | {"partitioner": "murmur2_random", "linger.ms": 5, "queue.buffering.max.messages": 1_000_000}
    )
    for index, trade in enumerate(trades):
        while True:
            try:
                producer.produce(settings.topic, key=trade.symbol, value=encode(trade))
                break
            except BufferError:
                producer.poll(0.1)
        if index % 10_000 == 0:
            producer.poll(0)
    if producer.flush(FLUSH_WITHIN_S):
        raise SystemExit("Kafka did not take the trades")
