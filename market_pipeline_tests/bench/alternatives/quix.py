"""Quix Streams with a batching sink of ours for Cassandra: the same two tables as the Python loops, no bars.

It runs in the bench's own environment, so it imports nothing of the pipeline. Quix flushes a sink when it commits;
0.1 s is the shortest interval at which it keeps up with 1,000 trades/s.
"""

import json
import sys
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from cassandra.cluster import Cluster
from cassandra.concurrent import execute_concurrent
from cassandra.query import BatchStatement, BatchType
from quixstreams import Application
from quixstreams.sinks.base import BatchingSink, SinkBatch

COMMIT_INTERVAL_S = 0.1
BATCH_ROWS = 100
CONCURRENCY = 128
Row = tuple[Any, ...]


class CassandraSink(BatchingSink):
    """Unlogged batches of one partition of silver, and of each symbol the newest price."""

    def __init__(self, port: int, keyspace: str) -> None:
        super().__init__()
        self._port = port
        self._keyspace = keyspace

    def setup(self) -> None:
        self._session = Cluster(["127.0.0.1"], port=self._port).connect(self._keyspace)
        self._silver = self._session.prepare(
            "INSERT INTO trades_silver (symbol, bucket, ts, trade_id, price, volume, conditions, received_at, "
            "ingested_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        )
        self._latest = self._session.prepare(
            "INSERT INTO latest_prices (symbol, ts, price, volume, trade_id) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?"
        )

    def write(self, batch: SinkBatch) -> None:
        partitions: dict[Row, list[Row]] = defaultdict(list)
        newest: dict[str, Row] = {}
        for item in batch:
            trade = item.value
            at, symbol = datetime.fromtimestamp(trade["ts"] / 1000, UTC), trade["symbol"]
            hour = at.replace(minute=0, second=0, microsecond=0)
            received = datetime.fromtimestamp(trade["received_at"] / 1e6, UTC)
            price, volume = trade["price"], trade["volume"]
            row = (symbol, hour, at, trade["trade_id"], price, volume, trade["conditions"], received, datetime.now(UTC))
            partitions[symbol, hour].append(row)
            write_us = trade["ts"] * 1000 + min(trade["seq"], 999)
            if symbol not in newest or newest[symbol][-1] <= write_us:
                newest[symbol] = (symbol, at, price, volume, trade["trade_id"], write_us)
        statements: list[tuple[Any, Any]] = [(self._latest, row) for row in newest.values()]
        for rows in partitions.values():
            for start in range(0, len(rows), BATCH_ROWS):
                together = BatchStatement(BatchType.UNLOGGED)
                for row in rows[start : start + BATCH_ROWS]:
                    together.add(self._silver, row)
                statements.append((together, None))
        execute_concurrent(self._session, statements, concurrency=CONCURRENCY)


def decoded(value: bytes) -> dict[str, Any]:
    trade: dict[str, Any] = json.loads(value, parse_float=Decimal)
    return trade | {name: Decimal(trade[name]) for name in ("price", "volume")}


def main(bootstrap: str, port: str, keyspace: str, topic: str, group: str) -> None:
    application = Application(
        broker_address=bootstrap,
        consumer_group=group,
        auto_offset_reset="earliest",
        commit_interval=COMMIT_INTERVAL_S,
        auto_create_topics=False,
        use_changelog_topics=False,
        loglevel="WARNING",
    )
    trades = application.dataframe(application.topic(topic, value_deserializer="bytes"))
    trades.apply(decoded).sink(CassandraSink(int(port), keyspace))
    application.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
