"""How long to wait before the next try to connect. Pure: chance is injected, the clock is the caller's.

Full jitter (Marc Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog 2015): each wait is drawn evenly from
the floor to an upper end that doubles with each try, so that many clients don't come back in step.
"""

from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime

FLOOR_S = 1.0
CAP_S = 60.0
ASKED_CAP_S = 3600.0
"""A server may ask for more than ``CAP_S``, but nobody wants a feed that is silent for days because of one header."""


class Backoff:
    """Waits in seconds, growing from try to try until data came.

    Args:
        random: draws evenly from [0, 1).
        floor_s: shortest wait.
        cap_s: longest wait, unless the server asked for a longer one.
    """

    def __init__(self, random: Callable[[], float], floor_s: float = FLOOR_S, cap_s: float = CAP_S) -> None:
        self._random = random
        self._floor_s = floor_s
        self._cap_s = cap_s
        self.tries = 0

    def next(self, retry_after_s: float | None = None) -> float:
        """The wait before the next try; never shorter than what the server asked for, up to ``ASKED_CAP_S``."""
        upper = min(self._cap_s, self._floor_s * 2.0 ** min(self.tries + 1, 30))
        self.tries += 1
        wait = self._floor_s + self._random() * (upper - self._floor_s)
        return max(wait, min(retry_after_s or 0.0, ASKED_CAP_S))

    def reset(self) -> None:
        """Begin anew. For data only: a connection that was merely accepted proves nothing."""
        self.tries = 0


def retry_after_s(header: str | None, now: float) -> float | None:
    """Seconds to wait by a ``Retry-After`` header, which is a number of seconds or a date (RFC 9110 §10.2.3).

    Args:
        header: its value.
        now: epoch seconds.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now)
