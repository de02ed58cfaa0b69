"""Which offsets are queryable: the reckoning behind ``visibility``, without input or output."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from market_pipeline.model import Trade
from market_pipeline.stream.progress import Rate


@dataclass(frozen=True)
class Awaited:
    """``trade`` is the newest one below ``end`` in its partition; None when the last records are all dead letters."""

    end: int
    trade: Trade | None


@dataclass(frozen=True)
class View:
    """What is queryable. ``lag`` is in records, None while it is unknown; times are epoch ms and epoch µs."""

    lag: int | None = None
    offsets: Mapping[int, int] | None = None
    newest_ts: int | None = None
    newest_received_at: int | None = None
    input_rate: float = 0.0

    def newest_age_s(self, now: float) -> float | None:
        return None if self.newest_received_at is None else max(0.0, now - self.newest_received_at / 1e6)


class Queryable:
    """Which offsets are queryable, from what was awaited and what was found. Pure."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rate = Rate(clock)
        self._ends: dict[int, int] = {}
        self._awaited: dict[int, Awaited] = {}
        self._newest: Trade | None = None
        self.visible: dict[int, int] = {}
        self.advanced_at = clock()

    def ends(self, ends: Mapping[int, int]) -> list[int]:
        """Take in the end of each partition; returns those whose newest record should be awaited now."""
        self._ends = dict(ends)
        self._rate.add(sum(ends.values()))
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
        """Everything below these offsets is queryable."""
        for partition, offset in offsets.items():
            if offset > self.visible.get(partition, -1):
                self.visible[partition] = offset
                self.advanced_at = self._clock()

    def view(self) -> View:
        known = bool(self._ends) and self._ends.keys() <= self.visible.keys()
        lag = sum(max(0, end - self.visible[p]) for p, end in self._ends.items()) if known else None
        if lag == 0:
            self.advanced_at = self._clock()
        newest = self._newest
        return View(
            lag,
            dict(self.visible),
            newest.ts if newest else None,
            newest.received_at if newest else None,
            round(self._rate.per_second, 1),
        )
