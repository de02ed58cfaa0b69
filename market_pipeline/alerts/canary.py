"""The canary: a trade of no symbol that anybody watches, sent at each look, so that the latency is known at night too.

It goes the way of every trade from Kafka to ``trades_silver``, and is removed from there when it was seen. The part of
the way before Kafka has the feed's own pings.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from cassandra.concurrent import execute_concurrent_with_args

from market_pipeline.alerts.database import Database
from market_pipeline.broker.single import send_one
from market_pipeline.model import CANARY, PROBE_AWAITED_MS, canary, encode
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import CONCURRENT_STATEMENTS, connect, prepared
from market_pipeline.store.trade_key import BY_KEY, silver_key

TAKEN_WITHIN_S = 1.0
KEPT_S = 8 * 86_400.0
AWAITED_S = PROBE_AWAITED_MS / 1000
DELETED_UNTIL_US = 2 * PROBE_AWAITED_MS * 1000
"""The stream reads some records again after a restart: the deletion outlasts the time in which it writes canaries."""


@dataclass(frozen=True)
class Flight:
    """One canary: when it was sent, epoch seconds, and how long it took to be queryable; None while it is not."""

    sent_at: float
    delay_s: float | None


class Canaries:
    """Those that were sent, in the incidents' file. Every method raises ``sqlite3.Error`` where that can't be used."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)

    def sending(self, at_us: int) -> None:
        """One of this moment (epoch microseconds) is about to be sent."""
        with self._database.changing() as connection:
            connection.execute("INSERT OR IGNORE INTO canary VALUES (?, 0, NULL)", (at_us,))
            connection.execute("DELETE FROM canary WHERE sent_us < ?", (at_us - int(KEPT_S * 1e6),))

    def taken(self, at_us: int) -> None:
        """Kafka has the one of that moment."""
        with self._database.changing() as connection:
            connection.execute("UPDATE canary SET taken = 1 WHERE sent_us = ?", (at_us,))

    def arrived(self, at_us: int, delay_s: float) -> None:
        """The one of that moment was queryable so many seconds later."""
        with self._database.changing() as connection:
            connection.execute("UPDATE canary SET taken = 1, delay_s = ? WHERE sent_us = ?", (delay_s, at_us))

    def in_flight(self, now: float) -> list[int]:
        """The moments of those that are not queryable yet and may still come, the oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT sent_us FROM canary WHERE delay_s IS NULL AND sent_us > ? ORDER BY sent_us",
                (int((now - AWAITED_S) * 1e6),),
            )
            return [int(at) for (at,) in rows]

    def since(self, at_ms: int, until_ms: int | None = None) -> list[Flight]:
        """Those that Kafka has of ``at_ms`` (epoch milliseconds) or later, and before the other, the oldest first."""
        end = until_ms * 1000 if until_ms is not None else 2**62
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT sent_us, delay_s FROM canary WHERE taken AND sent_us >= ? AND sent_us < ? ORDER BY sent_us",
                (at_ms * 1000, end),
            )
            return [Flight(sent / 1e6, delay) for sent, delay in rows]


def release(settings: Settings, canaries: Canaries) -> None:
    """Send one.

    Raises:
        BrokerUnreachableError: Kafka did not say that it has it.
    """
    now_us = time.time_ns() // 1000
    canaries.sending(now_us)
    send_one(settings, settings.topic, CANARY.encode(), encode(canary(now_us)), now_us // 1000, TAKEN_WITHIN_S)
    canaries.taken(now_us)


def recover(settings: Settings, canaries: Canaries, timeout_s: float) -> None:
    """Look for those in flight, keep how long they took, and remove them.

    Raises:
        any of ``STORE_ERRORS``: Cassandra fails.
    """
    flying = canaries.in_flight(time.time())
    if not flying:
        return
    table = f"{settings.keyspace}.trades_silver"
    with connect(settings, timeout_s=timeout_s) as session:
        look = prepared(session, f"SELECT received_at, ingested_at FROM {table} WHERE {BY_KEY}")
        remove = prepared(session, f"DELETE FROM {table} USING TIMESTAMP ? WHERE {BY_KEY}")
        keys = [silver_key(canary(at_us)) for at_us in flying]
        answers = execute_concurrent_with_args(session, look, keys, concurrency=CONCURRENT_STATEMENTS)
        for at_us, where, (_, found) in zip(flying, keys, answers, strict=True):
            row = found.one()
            if row is not None:
                session.execute(remove, (time.time_ns() // 1000 + DELETED_UNTIL_US, *where))
                canaries.arrived(at_us, (row.ingested_at - row.received_at).total_seconds())
