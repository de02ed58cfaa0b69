"""Looks after the journal from a thread of its own: syncs it, compresses and deletes what is confirmed."""

import logging
import threading
import time

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
    next_sync = next_tidy = 0.0
    trouble = ""
    while not stopped.wait(SAVE_EVERY_S):
        now = time.monotonic()
        try:
            journal.save_position()
            if now >= next_sync:
                next_sync = now + SYNC_EVERY_S
                journal.sync()
            if now >= next_tidy:
                next_tidy = now + TIDY_EVERY_S
                tidy(journal.directory, journal.confirmed, epoch_us(), what)
            trouble = ""
        except OSError as error:  # a full disk: appending says so too, and goes on when there is room
            if str(error) != trouble:
                logger.error("journal: %s", error)
            trouble = str(error)
