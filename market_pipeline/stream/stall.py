"""A stream that hangs without an error is worse than a dead one: after a deadline it ends itself."""

import faulthandler
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

from market_pipeline.local.processes import asleep
from market_pipeline.supervision.last_end import keep_last_end

EXIT_STALLED = 70
"""EX_SOFTWARE of sysexits.h: nothing moved, the stacks are in the log."""
DEADLINE_S = 90.0
PATIENCE_S = 300.0
"""For what may take long on a slow machine: the first rows after a start, and a batch of a backlog."""

STACKS_TAKE_S = 2.0
logger = logging.getLogger("stream")


class StallWatch:
    """Tells when nothing moves although there is something to do. Times are monotonic seconds.

    Args:
        commit_interval_s: how long a healthy query may be silent.
        now: the present.
    """

    def __init__(self, commit_interval_s: float, now: float) -> None:
        self._silence_s = commit_interval_s + PATIENCE_S
        self._started = now
        self._blind_until = now

    def verdict(self, now: float, lag: int | None, advanced_at: float, reported_at: float | None) -> str | None:
        """Why the stream counts as stalled, or None.

        Args:
            now: the present.
            lag: records that are not queryable yet; None when Kafka or Cassandra doesn't answer, which is theirs to
                mend: the deadline starts again when they are back.
            advanced_at: when something became queryable last.
            reported_at: when Spark last reported of the query; None while none runs.
        """
        if lag is None:
            self._blind_until = now
            return None
        silent = 0.0 if reported_at is None else now - max(reported_at, self._blind_until)
        if silent > self._silence_s:
            return f"Spark has not reported of the query for {silent:.0f} s"
        still = now - max(advanced_at, self._blind_until)
        allowed = DEADLINE_S if advanced_at > self._started else PATIENCE_S
        if lag > 0 and still > allowed:
            return f"{lag} records wait and none has become queryable for {still:.0f} s"
        return None


def end_with_stacks(why: str, jvm: "subprocess.Popen[bytes]", last_end: Path) -> NoReturn:
    """End this process at once, with the stacks of all threads, Python's and Java's, in the log, and with the reason in
    the file ``last_end``."""
    keep_last_end(last_end, why)
    logger.critical("stalled: %s; the stacks of all threads follow", why)
    faulthandler.dump_traceback(sys.stderr, all_threads=True)
    if not asleep(jvm.pid):  # one that is stopped prints nothing
        jvm.send_signal(signal.SIGQUIT)
        time.sleep(STACKS_TAKE_S)
    jvm.kill()
    os._exit(EXIT_STALLED)
