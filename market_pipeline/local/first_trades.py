"""Sees when the first trades that came since the start can be queried."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from market_pipeline.settings import Settings
from market_pipeline.store.cluster import STORE_ERRORS, connect
from market_pipeline.store.newest import Price, queryable_prices
from market_pipeline.supervision.heartbeat import Beat, read_heartbeat

QUIET_AFTER_S = 15.0
"""A feed that is connected for so long and sent nothing is taken for a market that is closed."""


@dataclass(frozen=True)
class Seen:
    """What could be queried: the latest prices that were received since the start, newest first; none when the market
    is quiet, or when a replay's trades are older than those of an earlier one."""

    rows: list[Price] = field(default_factory=list)
    quiet: bool = False


class Watch:
    """Looks for trades that were received after a moment.

    Args:
        settings: of the pipeline.
        since_us: the moment, epoch microseconds.
        now: the time in epoch seconds.
    """

    def __init__(self, settings: Settings, since_us: int, now: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._since_us = since_us
        self._now = now
        self._session: Any = None
        self._stack = ExitStack()

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def working(self) -> set[str]:
        """Those of feed-server, producer and stream that say that they do their work."""
        producer, stream = self._beat("producer"), self._beat("stream")
        working = set()
        if self._beat("feed-server") is not None:  # its first word comes when it listens
            working.add("feed-server")
        if producer is not None and producer.detail.get("connected"):
            working.add("producer")
        if stream is not None and stream.detail.get("phase") == "running":
            working.add("stream")
        return working

    def clock_is_slow(self) -> bool:
        """Whether the producer takes what it receives for trades of the future."""
        producer = self._beat("producer")
        return producer is not None and bool(producer.detail.get("clock_is_slow"))

    def advance(self) -> object:
        """Something that changes whenever the stream gets on: its phase and the offsets that can be queried.

        After a long outage the trades of the outage come first, which may take longer than any fixed time.
        """
        stream = self._beat("stream")
        return None if stream is None else (stream.detail.get("phase"), stream.detail.get("offsets"))

    def look(self) -> Seen | None:
        """The trades, or None when there are none yet."""
        since = datetime.fromtimestamp(self._since_us / 1e6, UTC)
        new = [row for row in self._prices() if row.received_at >= since]
        if new:
            return Seen(sorted(new, key=lambda row: (row.received_at, row.trade_id), reverse=True))
        if self._told_by_stream():  # of a replayed file, the latest prices may be those of an earlier replay
            return Seen()
        return Seen(quiet=True) if self._market_is_quiet() else None

    def _told_by_stream(self) -> bool:
        beat = self._beat("stream")
        age = beat.detail.get("newest_event_age_s") if beat is not None else None
        return beat is not None and age is not None and beat.beat_at - age >= self._since_us / 1e6

    def _market_is_quiet(self) -> bool:
        """Connected, all in order, and nothing comes: of Finnhub this is the rule outside of trading hours."""
        producer = self._beat("producer")
        if producer is None or self._settings.active_feed != "finnhub" or not self.working() >= {"producer", "stream"}:
            return False
        since = producer.detail.get("connected_since")
        connected_for = self._now() - since if isinstance(since, int | float) else 0.0
        return not producer.detail.get("received") and connected_for > QUIET_AFTER_S

    def _beat(self, name: str) -> Beat | None:
        beat = read_heartbeat(self._settings.paths.heartbeat(name))
        fresh = beat is not None and beat.started_at * 1e6 >= self._since_us and not beat.is_stale(self._now())
        return beat if fresh else None

    def _prices(self) -> list[Price]:
        try:
            if self._session is None:
                self._session = self._stack.enter_context(connect(self._settings, timeout_s=2.0))
            return queryable_prices(self._session, self._settings)
        except STORE_ERRORS:
            return []
