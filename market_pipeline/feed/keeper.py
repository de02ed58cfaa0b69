"""Looks after the journal from a thread of its own: brings it to the disk, compresses and deletes what is confirmed."""

import logging
import threading

from market_pipeline.feed.journal import Journal
from market_pipeline.feed.journal.retention import Limits, tidy
from market_pipeline.feed.journal.writer import epoch_us
from market_pipeline.settings import Settings

logger = logging.getLogger(__name__)
SYNC_EVERY_S = 1.0
TIDY_EVERY_S = 30.0


def limits(settings: Settings) -> Limits:
    """The configured limits, in the journal's units."""
    return Limits(int(settings.journal_keep_hours * 3600e6), int(settings.journal_max_gb * 2**30))


def keep(journal: Journal, what: Limits, stopped: threading.Event) -> None:
    """Sync about once a second and tidy up now and then, until stopped."""
    journal.count_backlog()
    until_tidy = TIDY_EVERY_S
    trouble = ""
    while not stopped.wait(SYNC_EVERY_S):
        try:
            journal.sync()
            until_tidy -= SYNC_EVERY_S
            if until_tidy <= 0:
                until_tidy = TIDY_EVERY_S
                tidy(journal.directory, journal.confirmed, epoch_us(), what)
            trouble = ""
        except OSError as error:  # a full disk: appending says so too, and goes on when there is room
            if str(error) != trouble:
                logger.error("journal: %s", error)
            trouble = str(error)
