"""A confluent-kafka consumer that writes with cassandra-driver: silver and latest prices, no bars.

``rows``: a statement a row, as many at a time as the driver likes; ``batches``: unlogged batches of one partition.
"""

import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent, execute_concurrent_with_args
from cassandra.query import BatchStatement, BatchType
from confluent_kafka import Consumer

from market_pipeline.broker.client import client_config
from market_pipeline.model import MAX_SEQ, Trade, decode
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect

CONCURRENCY = 128
BATCH_ROWS = 100

Write = Callable[[Sequence[Trade]], object]


def statements(session: Session, keyspace: str) -> tuple[Any, Any]:
    silver = session.prepare(
        f"INSERT INTO {keyspace}.trades_silver (symbol, bucket, ts, trade_id, price, volume, conditions, received_at, "
        "ingested_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    )
    latest = session.prepare(
        f"INSERT INTO {keyspace}.latest_prices (symbol, ts, price, volume, trade_id) VALUES (?, ?, ?, ?, ?) "
        "USING TIMESTAMP ?"
    )
    return silver, latest


def silver_row(trade: Trade) -> tuple[Any, ...]:
    at = datetime.fromtimestamp(trade.ts / 1000, tz=UTC)
    received = datetime.fromtimestamp(trade.received_at / 1e6, tz=UTC)
    hour = at.replace(minute=0, second=0, microsecond=0)
    return (trade.symbol, hour, at, trade.trade_id, trade.price, trade.volume, list(trade.conditions), received,
            datetime.now(UTC))  # fmt: skip


def latest_row(trade: Trade) -> tuple[Any, ...]:
    at = datetime.fromtimestamp(trade.ts / 1000, tz=UTC)
    return trade.symbol, at, trade.price, trade.volume, trade.trade_id, trade.ts * 1000 + min(trade.seq, MAX_SEQ)


def by_rows(session: Session, keyspace: str) -> Write:
    silver, latest = statements(session, keyspace)

    def write(trades: Sequence[Trade]) -> None:
        pairs = [(silver, silver_row(t)) for t in trades] + [(latest, latest_row(t)) for t in trades]
        execute_concurrent(session, pairs, concurrency=CONCURRENCY)

    return write


def by_batches(session: Session, keyspace: str) -> Write:
    silver, latest = statements(session, keyspace)

    def write(trades: Sequence[Trade]) -> None:
        partitions = defaultdict(list)
        newest: dict[str, Trade] = {}
        for trade in trades:
            row = silver_row(trade)
            partitions[row[:2]].append(row)
            if trade.symbol not in newest or trade.ts >= newest[trade.symbol].ts:
                newest[trade.symbol] = trade
        batches = []
        for rows in partitions.values():
            for start in range(0, len(rows), BATCH_ROWS):
                batch = BatchStatement(BatchType.UNLOGGED)
                for row in rows[start : start + BATCH_ROWS]:
                    batch.add(silver, row)
                batches.append((batch, None))
        execute_concurrent(session, batches, concurrency=CONCURRENCY)
        execute_concurrent_with_args(session, latest, [latest_row(t) for t in newest.values()])

    return write


def main(way: str, keyspace: str, group: str) -> int:
    settings = Settings.load()
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    consumer = Consumer(
        client_config(settings)
        | {"group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 5}
    )
    consumer.subscribe([settings.topic])
    with connect(settings, timeout_s=60) as session:
        write = {"rows": by_rows, "batches": by_batches}[way](session, keyspace)
        committed, uncommitted = time.monotonic(), False
        while not stopped:
            messages = [m for m in consumer.consume(5_000, timeout=0.002) if not m.error()]
            if messages:
                write([decode(message.value() or b"") for message in messages])
                uncommitted = True
            if uncommitted and time.monotonic() - committed > 1:
                consumer.commit(asynchronous=True)
                committed, uncommitted = time.monotonic(), False
    consumer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
