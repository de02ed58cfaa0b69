"""Which offsets are queryable: the reckoning behind ``visibility``, without input or output."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from market_pipeline.model import RejectedTrade, Trade, decode, is_probe
from market_pipeline.stream.checkpoints import OutOfReach, out_of_reach
from market_pipeline.stream.progress import Rate

FRESH_S = 2.0
"""A trade that is queryable flows; Visibility looks once a second."""


@dataclass(frozen=True)
class Awaited:
    """``trade`` is the newest one below ``end`` in its partition; None when the last records are all dead letters."""

    end: int
    trade: Trade | None


def newest_of(end: int, records: Sequence[tuple[int, bytes]]) -> Awaited | None:
    """What to wait for, given the offsets and values of the last records below ``end`` in their order.

    None when the very last one was not read, so that nothing can be concluded. A probe may be removed before it is
    looked for: nobody waits for one. Pure.
    """
    if not records or records[-1][0] != end - 1:
        return None
    for _, value in reversed(records):
        if is_probe(value):
            continue
        try:
            return Awaited(end, decode(value))
        except RejectedTrade:
            continue
    return Awaited(end, None)


def first_of(records: Sequence[tuple[int, bytes]]) -> Trade | None:
    """The first trade among values in their order; None where all are dead letters. Pure."""
    for _, value in records:
        try:
            return decode(value)
        except RejectedTrade:
            continue
    return None


@dataclass(frozen=True)
class Waiting:
    """The oldest trade of a partition that is not known to be queryable; ``received_at`` in epoch microseconds."""

    partition: int
    received_at: int


@dataclass(frozen=True)
class View:
    """What is queryable.

    Attributes:
        lag: records that are not queryable yet; None while it is unknown.
        offsets: up to where everything is queryable, by partition.
        newest_ts: event time of the queryable trade that was received last, epoch milliseconds.
        newest_received_at: when it was received, epoch microseconds.
        input_rate: records a second that became queryable over the last minute.
        slowest: of the partitions, the one whose oldest waiting trade was received first; None while none waits.
        beyond_end: partitions that now end before what was queryable: the topic was made anew. Lag is unknown then.
    """

    lag: int | None = None
    offsets: Mapping[int, int] | None = None
    newest_ts: int | None = None
    newest_received_at: int | None = None
    input_rate: float = 0.0
    beyond_end: tuple[OutOfReach, ...] = ()
    slowest: Waiting | None = None

    def waiting_age_s(self, now: float) -> float | None:
        """How long the oldest waiting trade of the slowest partition has waited since it was received, seconds; 0 while
        none waits, None while it is not known. The one figure of how far behind the tables are."""
        if self.slowest is not None:
            return max(0.0, now - self.slowest.received_at / 1e6)
        return 0.0 if self.lag == 0 else None

    def newest_age_s(self, now: float) -> float | None:
        """Seconds since the newest queryable trade was *received*: it grows in a quiet market as in a broken stream,
        and says nothing of how old the feed's own event times are."""
        return None if self.newest_received_at is None else max(0.0, now - self.newest_received_at / 1e6)

    def flows(self, now: float) -> bool:
        """Whether trades are queryable as they come; ``now`` in epoch seconds. True where none waits."""
        age_s = self.newest_age_s(now)
        return self.lag == 0 or (age_s is not None and age_s <= FRESH_S)


class Queryable:
    """Which offsets of ``topic`` are queryable, from what was awaited and what was found. Pure."""

    def __init__(self, topic: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._topic = topic
        self._clock = clock
        self._rate = Rate(clock)
        self._ends: dict[int, int] = {}
        self._awaited: dict[int, Awaited] = {}
        self._newest: Trade | None = None
        self._oldest: dict[int, tuple[int, int]] = {}
        """Of each partition the offset of the oldest waiting trade, and when it was received."""
        self._beyond_end: tuple[OutOfReach, ...] = ()
        self.visible: dict[int, int] = {}
        self.advanced_at = clock()

    def ends(self, ends: Mapping[int, int]) -> list[int]:
        """Take in the end of each partition; returns those whose newest record should be awaited now."""
        self._ends = dict(ends)
        self._beyond_end = tuple(out_of_reach(self._topic, self.visible, {}, ends))
        for partition, end in ends.items():
            if end == 0:
                self.visible.setdefault(partition, 0)
        return [p for p, end in ends.items() if p not in self._awaited and end > self.visible.get(p, 0)]

    def end(self, partition: int) -> int:
        return self._ends[partition]

    def wait_for(self, partition: int, awaited: Awaited) -> None:
        self._awaited[partition] = awaited

    @property
    def awaited(self) -> dict[int, Awaited]:
        return dict(self._awaited)

    def found(self, partition: int) -> None:
        """What was awaited in the partition is queryable."""
        awaited = self._awaited.pop(partition)
        self.reached({partition: awaited.end})
        trade = awaited.trade
        if trade is not None and (self._newest is None or trade.received_at > self._newest.received_at):
            self._newest = trade

    def reached(self, offsets: Mapping[int, int]) -> None:
        """Everything below these offsets is queryable, or was rejected."""
        for partition, offset in offsets.items():
            if offset > self.visible.get(partition, -1):
                self.visible[partition] = offset
                self.advanced_at = self._clock()
            awaited = self._awaited.get(partition)
            if awaited is not None and awaited.end <= offset:
                del self._awaited[partition]  # Spark is past it: it will not be found any more if it wasn't by now

    def unread(self) -> dict[int, int]:
        """The partitions that wait, and where the oldest waiting record is, of those whose age is not known yet."""
        waiting = {p: self.visible[p] for p, end in self._ends.items() if self.visible.get(p, end) < end}
        self._oldest = {p: known for p, known in self._oldest.items() if waiting.get(p) == known[0]}
        return {p: offset for p, offset in waiting.items() if p not in self._oldest}

    def oldest_is(self, partition: int, offset: int, received_at: int) -> None:
        """The oldest waiting trade of a partition, from ``offset`` on, was received then (epoch microseconds)."""
        self._oldest[partition] = (offset, received_at)

    def view(self) -> View:
        known = bool(self._ends) and self._ends.keys() <= self.visible.keys()
        if known:
            self._rate.add(sum(self.visible[p] for p in self._ends))
        lag = None
        if known and not self._beyond_end:
            lag = sum(max(0, end - self.visible[p]) for p, end in self._ends.items())
        if lag == 0:
            self.advanced_at = self._clock()
        newest = self._newest
        return View(
            lag,
            dict(self.visible),
            newest.ts if newest else None,
            newest.received_at if newest else None,
            round(self._rate.per_second, 1),
            self._beyond_end,
            self._slowest() if lag else None,
        )

    def _slowest(self) -> Waiting | None:
        waiting = [Waiting(p, at) for p, (offset, at) in self._oldest.items() if self.visible.get(p) == offset]
        return min(waiting, key=lambda each: each.received_at, default=None)
