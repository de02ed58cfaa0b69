"""Runbook, Weekly Checks: the smoke test. A marked trade goes over the real path, every hop of it is seen and timed,
and then it is removed."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from cassandra.cluster import Session

from market_pipeline.alerts.smoke_tests import SmokeTests
from market_pipeline.broker.single import send_one
from market_pipeline.bronze.archive import archive_new
from market_pipeline.local.snapshot import feed_status
from market_pipeline.local.webserver import serves_page
from market_pipeline.model import Trade, encode, smoke_test_probe
from market_pipeline.routine.report import MENDABLE
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.store.trade_key import silver_key
from market_pipeline.supervision.heartbeat import read_heartbeat
from market_pipeline.supervision.lock import holder
from market_pipeline.utc_day import instant

WITHIN_S = 30.0
"""How long each hop may take: the stream writes in milliseconds, a bar within a quarter of a second."""
POLL_S = 0.02
DELETED_UNTIL_S = 120.0
"""The stream may write its newest row once more, half a minute later: the deletion of silver's outlasts that."""
MINUTE_MS = 60_000


@dataclass(frozen=True)
class Hop:
    """One hop of the path.

    Attributes:
        name: of it.
        fine: whether the probe was seen there; None where the hop was not tried.
        seconds: from the sending of the probe, or how long the hop took; None where there is nothing to time.
        text: what was seen, or what to do.
    """

    name: str
    fine: bool | None
    seconds: float | None
    text: str


class _NotThere(Exception):
    """The probe did not come; the message says what to look at."""


class SmokeTest:
    """One run of it. ``tell`` hears of each hop as it is known."""

    def __init__(self, settings: Settings, tell: Callable[[Hop], None] = lambda _: None) -> None:
        self._settings = settings
        self._tell = tell
        self._trade: Trade = smoke_test_probe(time.time_ns() // 1000)
        self._sent = 0.0
        self._place: tuple[int, int] = (0, 0)
        self.hops: list[Hop] = []

    def run(self) -> list[Hop]:
        """Every hop in order; after one that fails on the way of the probe, the rest of the way is not tried."""
        self._hop("feed", self._feed)
        whole = self._hop("kafka", self._kafka)
        names = ("silver", "latest price", "bar", "bronze")
        with self._cassandra() as session:
            for name, look in zip(names, (self._silver, self._latest, self._bar, self._bronze), strict=True):
                if whole and (session is not None or look == self._bronze):
                    whole = self._hop(name, lambda look=look: look(session))  # type: ignore[misc]
                else:
                    self._note(Hop(name, None, None, "not tried"))
            if session is not None and self._sent:
                self._hop("removed", lambda: self._remove(session))
        if self._settings.dagster:
            self._hop("dagster", self._dagster)
        return self.hops

    def _hop(self, name: str, look: Callable[[], tuple[float | None, str]]) -> bool:
        try:
            seconds, text = look()
        except (_NotThere, *MENDABLE) as error:
            self._note(Hop(name, False, None, " ".join(str(error).split())))
            return False
        self._note(Hop(name, True, seconds, text))
        return True

    def _note(self, hop: Hop) -> None:
        self.hops.append(hop)
        self._tell(hop)

    @contextmanager
    def _cassandra(self) -> Iterator[Session | None]:
        try:
            with connect(self._settings) as session:
                yield session
        except MENDABLE as error:
            self._note(Hop("cassandra", False, None, " ".join(str(error).split())))
            yield None

    def _feed(self) -> tuple[float | None, str]:
        beat = read_heartbeat(self._settings.paths.heartbeat("producer"))
        feed = feed_status(beat, holder(self._settings.paths.lock("producer")), time.time())
        if feed.name is None or feed.silent_s is not None:
            raise _NotThere("the producer does not run, or hangs: `market-pipeline restart producer`")
        if not feed.connected:
            why = (feed.last_disconnect or {}).get("reason", "not connected yet")
            raise _NotThere(f"not connected to {feed.name} ({why})")
        return feed.last_received_age_s, f"{feed.name} connected, the last message is so old"

    def _kafka(self) -> tuple[float | None, str]:
        topic, sent = self._settings.topic, self._trade
        with suppress(sqlite3.Error):  # the count of what came is one too high then, and the path is as good
            SmokeTests(self._settings.paths.incidents).sending(sent.received_at)
        self._sent = time.monotonic()
        self._place = send_one(
            self._settings, topic, sent.symbol.encode(), encode(sent), sent.received_at // 1000, WITHIN_S
        )
        return self._since(), f"{self._settings.topic} partition {self._place[0]} offset {self._place[1]:,}"

    def _silver(self, session: Session) -> tuple[float | None, str]:
        where = "WHERE symbol = %s AND bucket = %s AND ts = %s AND trade_id = %s"
        query = f"SELECT price FROM {self._table('trades_silver')} {where}"
        self._wait(
            session, query, silver_key(self._trade), "trades_silver", "the stream: `market-pipeline logs stream`"
        )
        return self._since(), f"trades_silver, trade_id {self._trade.trade_id}"

    def _latest(self, session: Session) -> tuple[float | None, str]:
        query = f"SELECT price FROM {self._table('latest_prices')} WHERE symbol = %s AND trade_id = %s ALLOW FILTERING"
        self._wait(session, query, (self._trade.symbol, self._trade.trade_id), "latest_prices", "the stream's query")
        return self._since(), "latest_prices"

    def _bar(self, session: Session) -> tuple[float | None, str]:
        query = f"SELECT trades FROM {self._table('ohlcv_1m')} WHERE symbol = %s AND day = %s AND ts = %s"
        self._wait(session, query, self._bar_key(), "ohlcv_1m", "the stream's query of bars")
        return self._since(), "ohlcv_1m, the bar of its minute"

    def _bronze(self, session: Session | None) -> tuple[float | None, str]:
        began = time.monotonic()
        done = archive_new(self._settings)
        partition, offset = self._place
        if done.offsets.get(partition, 0) <= offset:
            raise _NotThere(f"the archive ends before partition {partition} offset {offset:,}: `archive` tells why")
        return time.monotonic() - began, f"archived, {done.rows:,} records were new"

    def _remove(self, session: Session) -> tuple[float | None, str]:
        later_us = time.time_ns() // 1000 + int(DELETED_UNTIL_S * 1e6)
        for statement, key in (
            (
                f"DELETE FROM {self._table('trades_silver')} USING TIMESTAMP {later_us} "
                "WHERE symbol = %s AND bucket = %s AND ts = %s AND trade_id = %s",
                silver_key(self._trade),
            ),
            (f"DELETE FROM {self._table('latest_prices')} WHERE symbol = %s", (self._trade.symbol,)),
            (f"DELETE FROM {self._table('ohlcv_1m')} WHERE symbol = %s AND day = %s", self._bar_key()[:2]),
        ):
            session.execute(statement, key)
        return None, "its rows are gone; Kafka and the archive keep the record, and no count of a day has it"

    def _dagster(self) -> tuple[float | None, str]:
        began = time.monotonic()
        if not serves_page(self._settings):
            raise _NotThere("Dagster's page does not answer: `market-pipeline restart dagster-webserver`")
        return time.monotonic() - began, "its page answers"

    def _wait(self, session: Session, query: str, key: tuple[object, ...], where: str, look_at: str) -> None:
        deadline = time.monotonic() + WITHIN_S
        while session.execute(query, key).one() is None:
            if time.monotonic() > deadline:
                raise _NotThere(f"not in {where} within {WITHIN_S:.0f} s: look at {look_at}")
            time.sleep(POLL_S)

    def _since(self) -> float:
        return time.monotonic() - self._sent

    def _table(self, name: str) -> str:
        return f"{self._settings.keyspace}.{name}"

    def _bar_key(self) -> tuple[object, ...]:
        minute = instant(self._trade.ts // MINUTE_MS * MINUTE_MS)
        return self._trade.symbol, minute.date(), minute
