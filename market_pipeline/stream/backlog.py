"""A backlog that real time doesn't work off: batches are several times as fast."""


class Backlog:
    """Tells when more than ``above`` records have been waiting for ``after_s``. Times are monotonic seconds.

    What a short outage leaves behind is gone by then; what is still there would grow, or take minutes.
    """

    def __init__(self, above: int, after_s: float) -> None:
        self._above = above
        self._after_s = after_s
        self._since: float | None = None

    def lasts(self, now: float, lag: int | None) -> bool:
        """Whether it is time for batches; ``lag`` is None when it isn't known, which proves nothing."""
        if lag is None or lag <= self._above:
            self._since = None
            return False
        if self._since is None:
            self._since = now
        return now - self._since >= self._after_s
