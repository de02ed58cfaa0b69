"""Reports to an outside watchdog after each round, so that somebody hears of it when the rounds end.

Any service that waits for pings will do, such as healthchecks.io; it notifies where nothing of ours has to work. Its
address is a secret, for whoever knows it can report in our place: it is never written anywhere.
"""

import logging
import threading
import urllib.error
import urllib.request
from typing import Any

from market_pipeline.escaping import for_log

ANSWER_WITHIN_S = 3.0
TEXT_LIMIT = 10_000
logger = logging.getLogger(__name__)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """What was found goes to the address that was configured and to no other."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def report_alive(url: str, text: str) -> bool:
    """Post that a round was made, with what it found; False, and a line in the log, when nobody takes it.

    It raises nothing and lasts no longer than ``ANSWER_WITHIN_S``, whatever the address, the resolver or the server do:
    a round is worth more than its report.
    """
    outcome: list[str] = []
    # a thread, for no timeout of the library's holds for the resolver or for a server that answers a byte a second
    posting = threading.Thread(target=lambda: outcome.append(_post(url, text)), daemon=True)
    posting.start()
    posting.join(ANSWER_WITHIN_S)
    why = outcome[0] if outcome else f"no answer within {ANSWER_WITHIN_S:.0f} s"
    if why:
        logger.warning("the outside watchdog did not take the report (%s)", why)
    return not why


def _post(url: str, text: str) -> str:
    """'' when it is taken, else why not: the error's type and an HTTP status, for its text may hold the address."""
    try:
        request = urllib.request.Request(
            url, data=for_log(text).encode()[:TEXT_LIMIT], method="POST", headers={"Content-Type": "text/plain"}
        )
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=ANSWER_WITHIN_S):
            return ""
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}"
    except urllib.error.URLError as error:
        return type(error.reason).__name__ if isinstance(error.reason, Exception) else type(error).__name__
    except Exception as error:  # a slip in the address is reported in a dozen types, by urllib, http.client and codecs
        return type(error).__name__
