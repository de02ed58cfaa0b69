"""A stream that hangs without an error is worse than a dead one: after a deadline it ends itself."""

from collections.abc import Mapping

DEADLINE_S = 90.0


class StallWatch:
    """Tells when nothing moves although there is something to do. Times are monotonic seconds.

    Args:
        commit_interval_s: how long a healthy query may be silent.
        now: the present.
        deadline_s: how long beyond that is too long.
    """

    def __init__(self, commit_interval_s: float, now: float, deadline_s: float = DEADLINE_S) -> None:
        self._silence_s = commit_interval_s + deadline_s
        self._deadline_s = deadline_s
        self._blind_until = now

    def verdict(self, now: float, lag: int | None, advanced_at: float, heard: Mapping[str, float]) -> str | None:
        """Why the stream counts as stalled, or None.

        Args:
            now: the present.
            lag: records that are not queryable yet; None when Kafka or Cassandra doesn't answer, which is theirs to
                mend: the deadline starts again when they are back.
            advanced_at: when something became queryable last.
            heard: when each running query was last heard of.
        """
        if lag is None:
            self._blind_until = now
            return None
        for name, at in sorted(heard.items()):
            silent = now - max(at, self._blind_until)
            if silent > self._silence_s:
                return f"query {name} has not been heard of for {silent:.0f} s"
        still = now - max(advanced_at, self._blind_until)
        if lag > 0 and still > self._deadline_s:
            return f"{lag} records wait and none has become queryable for {still:.0f} s"
        return None
