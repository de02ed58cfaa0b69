"""Looks after the journal from a thread of its own: syncs it, compresses and deletes what is confirmed."""

import logging
import threading
import time
from collections.abc import Callable

from market_pipeline.feed.journal import Journal
from market_pipeline.feed.journal.retention import Limits, tidy
from market_pipeline.feed.journal.writer import epoch_us
from market_pipeline.settings import Settings

logger = logging.getLogger(__name__)
SAVE_EVERY_S = 0.1
"""A crash makes the producer send again what was confirmed since: the same records, but records."""
SYNC_EVERY_S = 1.0
"""The forwarder syncs whatever it reads; this is for what comes in while it waits for Kafka."""
TIDY_EVERY_S = 30.0


def limits(settings: Settings) -> Limits:
    """The configured limits, in the journal's units."""
    return Limits(int(settings.journal_keep_hours * 3600e6), int(settings.journal_max_gb * 2**30))


def keep(journal: Journal, what: Limits, stopped: threading.Event) -> None:
    """Sync about once a second, save the position more often, and tidy up now and then, until stopped."""
    chores = (
        _Chore("save its position", SAVE_EVERY_S, journal.save_position),
        _Chore("sync it", SYNC_EVERY_S, journal.sync),
        _Chore(
            "compress and delete old segments",
            TIDY_EVERY_S,
            lambda: tidy(journal.directory, journal.confirmed, epoch_us(), what),
        ),
    )
    while not stopped.wait(SAVE_EVERY_S):
        for chore in chores:
            chore.do_when_due(time.monotonic())


class _Chore:
    """Something that is done now and then. An error is logged once for as long as it lasts."""

    def __init__(self, name: str, every_s: float, do: Callable[[], object]) -> None:
        self._name = name
        self._every_s = every_s
        self._do = do
        self._due_at = 0.0
        self._error = ""

    def do_when_due(self, now: float) -> None:
        if now < self._due_at:
            return
        self._due_at = now + self._every_s - SAVE_EVERY_S / 2  # the next round is seldom later by a whole one
        try:
            self._do()
        except OSError as error:  # a full disk: appending says so too, and goes on when there is room
            if str(error) != self._error:
                logger.error("journal: can't %s: %s", self._name, error)
            self._error = str(error)
        else:
            self._error = ""
