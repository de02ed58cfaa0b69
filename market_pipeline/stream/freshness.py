"""How far behind each table is. ``trades_silver`` is looked at row by row (``visibility``); of the others Spark's own
offsets tell: a query that gets no task slot, or hangs by itself, leaves them where they are while Kafka's end moves on.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Behind:
    """How far a table is behind Kafka.

    Attributes:
        lag: records that its query has not finished.
        still_s: for how long its query has made no progress although there was something to do, seconds.
    """

    lag: int
    still_s: float


class Freshness:
    """The progress of each query since the stream runs. Not thread-safe: the heartbeat alone uses it.

    Args:
        next_offsets: of each query, where its checkpoint stands; what has none begins at the oldest record.
        clock: monotonic seconds.
    """

    def __init__(
        self, next_offsets: Mapping[str, Mapping[int, int]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._next = {query: dict(offsets) for query, offsets in next_offsets.items()}
        self._moved_at = dict.fromkeys(next_offsets, clock())

    def of(
        self, ends: Mapping[int, int] | None, done: Callable[[str], Mapping[int, int]], *, running: bool
    ) -> dict[str, Behind]:
        """How far behind each table is; empty while that is not known, or the queries are not all meant to run.

        Args:
            ends: of Kafka's partitions; None while it does not answer.
            done: the next offsets of a query, as Spark last reported them.
            running: whether the queries are all meant to get on.
        """
        now, found = self._clock(), {}
        for query, before in self._next.items():
            reached = before | {p: at for p, at in done(query).items() if at > before.get(p, 0)}
            lag = sum(max(0, end - reached.get(p, 0)) for p, end in ends.items()) if ends is not None else 0
            if reached != before or lag == 0 or not running:
                self._next[query], self._moved_at[query] = reached, now
            found[query] = Behind(lag, round(now - self._moved_at[query], 1))
        return found if ends is not None and running else {}


def as_detail(found: Mapping[str, Behind]) -> dict[str, Any]:
    """For the heartbeat."""
    return {query: asdict(each) for query, each in found.items()}


def late_after_s(commit_interval_s: float) -> float:
    """For how long a healthy query may make no progress, seconds: real-time mode reports it once a commit."""
    return 60.0 + 3 * commit_interval_s
