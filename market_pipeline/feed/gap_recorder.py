"""Brings down-times to the database from a thread of its own: no slow or absent one holds up the feed.

Storing a gap also marks the bars that it overlaps. The bar of the minute in which the feed came back is not written
yet at that moment, so each gap is stored once more a little later: the same rows, and now that bar too.
"""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from market_pipeline.feed.gaps import Gap, GapBook, GapRow, rows_of

logger = logging.getLogger(__name__)
RETRY_EVERY_S = 10.0
QUIET_FOR_S = 120.0
"""A first start makes the table only after the feed is up: until then nothing is wrong."""
SETTLED_AFTER_S = 90.0
"""By then the minute in which a gap ended is over, and the stream has written its bar."""
FILE_NAME = "gaps.json"

Store = Callable[[list[GapRow]], None]


class GapRecorder:
    """Takes down-times from the receiver and keeps them until they are stored.

    Args:
        path: where they are kept meanwhile.
        store: writes rows to the database; raises when it can't. The same gap twice is the same rows.
        retry_every_s: seconds between tries.
        settled_after_s: how long after its end a gap is stored once more.
    """

    def __init__(
        self,
        path: Path,
        store: Store,
        retry_every_s: float = RETRY_EVERY_S,
        settled_after_s: float = SETTLED_AFTER_S,
    ) -> None:
        self._book = GapBook(path)
        self._store = store
        self._retry_every_s = retry_every_s
        self._settled_after_us = int(settled_after_s * 1e6)
        self._settling: list[Gap] = []
        self._rows_stored = 0
        self._lock = threading.Lock()
        self._due = threading.Event()
        self._last_error = ""
        self._quiet_until = time.monotonic() + QUIET_FOR_S
        if self._book.closed:
            self._due.set()

    @property
    def waiting(self) -> int:
        """Gaps that are over and not yet stored."""
        with self._lock:
            return len(self._book.closed)

    @property
    def rows_stored(self) -> int:
        """Rows that this process has written, each counted once."""
        return self._rows_stored

    @property
    def lasting(self) -> Gap | None:
        """The gap that is not over."""
        with self._lock:
            return self._book.open

    def down(self, gap: Gap) -> None:
        """The feed went down."""
        self._keep(lambda: self._book.begin(gap))

    def up(self, at: int, symbols: tuple[str, ...]) -> None:
        """The feed is subscribed, for the first time or again, at ``at`` (epoch µs)."""
        self._keep(lambda: self._book.end(at, symbols))
        self._due.set()

    def store_due(self) -> bool:
        """Try to store what is over; True when nothing is left."""
        with self._lock:
            gaps = self._book.closed
        if not self._stored(gaps):
            return False
        if gaps:
            self._keep(lambda: self._book.forget(gaps))
            self._rows_stored += sum(1 for gap in gaps for _ in rows_of(gap))
            self._settling += gaps
        return True

    def store_settled(self, now: int) -> bool:
        """Store once more what ended long enough before ``now`` (epoch µs); False when that failed.

        What a stop leaves undone here, the batch's judgement of the day does.
        """
        settled = [gap for gap in self._settling if (gap.ended_at or 0) + self._settled_after_us <= now]
        if not self._stored(settled):
            return False
        self._settling = [gap for gap in self._settling if gap not in settled]
        return True

    def run(self, stopped: threading.Event) -> None:
        """Store whenever something is due, until stopped."""
        while not stopped.is_set():
            if self._due.wait(0.5):
                self._due.clear()
                if not self.store_due():
                    stopped.wait(self._retry_every_s)
                    self._due.set()
            if not self.store_settled(time.time_ns() // 1000):
                stopped.wait(self._retry_every_s)

    def _stored(self, gaps: list[Gap]) -> bool:
        if not gaps:
            return True
        try:
            self._store([row for gap in gaps for row in rows_of(gap)])
        except Exception as error:  # whatever the driver raises: the gaps are safe in their file
            text = f"{type(error).__name__}: {error}"
            if text != self._last_error:
                if time.monotonic() < self._quiet_until:
                    logger.info("%d gaps of the feed wait for Cassandra", len(gaps))
                else:
                    logger.warning("%d gaps of the feed wait for Cassandra: %s", len(gaps), text)
            self._last_error = text
            return False
        if self._last_error:
            logger.info("the gaps of the feed are stored")
        self._last_error = ""
        return True

    def _keep(self, change: Callable[[], None]) -> None:
        with self._lock:
            try:
                change()
            except OSError as error:
                logger.error("gaps of the feed can't be written to their file: %s", error)
