"""Down-times of the feed: what was not listened to. Pure, but for the small file that remembers them.

A trade of a down-time is gone for good, and the vendor numbers nothing, so these records are all that is known of it.
The time before a symbol was listened to at all is such a record too, from midnight (UTC) of its first day on: else the
minutes before the first start would pass for quiet ones, and the minute of the start for a whole one.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple

from market_pipeline.feed.disconnect import Reason

_SECOND_US = 1_000_000
_DAY_US = 86_400 * _SECOND_US


@dataclass(frozen=True)
class Gap:
    """One down-time.

    Attributes:
        started_at: the last moment at which the feed is known to have been heard, epoch microseconds.
        reason: why it went down, a ``disconnect.Reason``.
        symbols: what was subscribed.
        ended_at: when it was subscribed again, epoch microseconds; None while it lasts.
    """

    started_at: int
    reason: str
    symbols: tuple[str, ...]
    ended_at: int | None = None


class GapRow(NamedTuple):
    """A row of ``market_data.feed_gaps``: a gap's part within one UTC day."""

    symbol: str
    day: date
    started_at: datetime
    ended_at: datetime
    reason: str


def rows_of(gap: Gap) -> Iterator[GapRow]:
    """The rows of a gap that is over: one a symbol and UTC day, so that whoever reads a day finds its part."""
    if gap.ended_at is None:
        return
    start, end = _utc(gap.started_at), _utc(gap.ended_at)
    while start < end:
        midnight = datetime.combine(start.date() + timedelta(days=1), time(), UTC)
        until = min(end, midnight)
        for symbol in gap.symbols:
            yield GapRow(symbol, start.date(), start, until, gap.reason)
        start = midnight


class GapBook:
    """The gaps that Cassandra has not taken yet, and who was listened to last, in a file that is replaced atomically.

    Args:
        path: the file; what is in it from an earlier process is taken up.

    Raises:
        OSError: the file can't be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._gaps: list[Gap] = []
        self._listened: tuple[str, ...] = ()
        self._left_out: dict[str, int] = {}
        """Symbols that were listened to once and are not now, and when they were heard last (epoch µs)."""
        self._load()

    @property
    def open(self) -> Gap | None:
        """The gap that lasts."""
        return next((gap for gap in self._gaps if gap.ended_at is None), None)

    @property
    def closed(self) -> list[Gap]:
        """The gaps that are over and not yet stored elsewhere."""
        return [gap for gap in self._gaps if gap.ended_at is not None]

    def begin(self, gap: Gap) -> None:
        """A down-time begins; one that lasts already goes on, with its first cause.

        Raises:
            OSError: the file can't be written; the gap is remembered all the same.
        """
        if self.open is None:
            self._gaps.append(gap)
            self._save()

    def end(self, ended_at: int, symbols: tuple[str, ...]) -> None:
        """The feed is subscribed, for the first time or again, at ``ended_at`` (epoch µs).

        Symbols that were never subscribed before have a gap of the reason ``start``: from midnight of the day in which
        it was first tried to reach them. Those that were left out for a while have one from when they were.

        Raises:
            OSError: the file can't be written; the gap is remembered all the same.
        """
        known = {*self._listened, *self._left_out}
        new = tuple(symbol for symbol in symbols if symbol not in known)
        since = ended_at if self.open is None else min(ended_at, self.open.started_at)
        if self.open is None and symbols == self._listened:
            return
        self._gaps = [
            gap if gap.ended_at is not None else replace(gap, ended_at=max(ended_at, gap.started_at + 1))
            for gap in self._gaps
        ]
        if new and (midnight := since - since % _DAY_US) < ended_at:
            self._gaps.append(Gap(midnight, str(Reason.START), new, ended_at))
        back = {symbol: self._left_out.pop(symbol) for symbol in symbols if symbol in self._left_out}
        for left_at in sorted(set(back.values())):
            names = tuple(symbol for symbol, at in back.items() if at == left_at)
            self._gaps.append(Gap(left_at, str(Reason.UNSUBSCRIBED), names, max(ended_at, left_at + 1)))
        self._left_out |= {symbol: since for symbol in self._listened if symbol not in symbols}
        self._listened = symbols
        self._save()

    def forget(self, stored: list[Gap]) -> None:
        """These are stored elsewhere now.

        Raises:
            OSError: the file can't be written; they are stored once more later, to the same rows.
        """
        self._gaps = [gap for gap in self._gaps if gap not in stored]
        self._save()

    def _load(self) -> None:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            self._gaps = [Gap(**{**record, "symbols": tuple(record["symbols"])}) for record in kept["gaps"]]
            self._listened = tuple(kept["listened"])
            self._left_out = {str(symbol): int(at) for symbol, at in kept.get("left_out", {}).items()}
        except FileNotFoundError:
            return
        except (ValueError, TypeError, KeyError):  # replaced atomically, so this is not our writing
            self._path.replace(self._path.with_suffix(".damaged"))

    def _save(self) -> None:
        scratch = self._path.with_suffix(".tmp")
        gaps = [vars(gap) for gap in self._gaps]
        kept = {"listened": self._listened, "left_out": self._left_out, "gaps": gaps}
        scratch.write_text(json.dumps(kept), encoding="utf-8")
        scratch.replace(self._path)


def _utc(epoch_us: int) -> datetime:
    return datetime.fromtimestamp(epoch_us // _SECOND_US, UTC) + timedelta(microseconds=epoch_us % _SECOND_US)
