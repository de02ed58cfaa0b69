"""Who watches the watcher: after each round an outside address hears that somebody looked, and alarms when it does not.

Any service that waits for pings will do, such as healthchecks.io; it is told where nothing of ours has to work.
"""

import http.client
import logging
import urllib.request

ANSWER_WITHIN_S = 3.0
TEXT_LIMIT = 10_000
logger = logging.getLogger(__name__)


def report_alive(url: str, text: str) -> bool:
    """Post that a round was made, with what it found; False, and a line in the log, when nobody takes it."""
    body = text.encode()[:TEXT_LIMIT]
    request = urllib.request.Request(url, data=body, method="POST", headers={"Content-Type": "text/plain"})
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_WITHIN_S):
            return True
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = getattr(error, "reason", None) or error
        logger.warning("the outside watchdog was not told that we are alive (%s)", why)
        return False
