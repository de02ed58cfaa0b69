"""Which symbols were ever subscribed, and since when: a trade of any other one is a dead letter.

Kept beside the journal, so that whoever reads it later judges each frame as the producer did: a symbol counts from the
moment on at which it was first subscribed, and for good. What was received before anything was noted is not judged.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from market_pipeline.feed.journal.segment import sync_directory

FILE_NAME = "subscribed.json"
MAX_SYMBOLS = 10_000
"""Of one recording. Every symbol has its own partitions in Cassandra and its own counts in memory."""


@dataclass(frozen=True)
class Subscribed:
    """The symbols that may be received.

    Attributes:
        since: from when on frames are judged, epoch microseconds of receipt; None: none is.
        first: when each symbol was first subscribed (epoch µs). The vendor may answer in capitals, and in no other way.
    """

    since: int | None = None
    first: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def _spelt(self) -> Mapping[str, int]:
        capitals = {symbol.upper(): at for symbol, at in self.first.items()}
        return capitals | dict(self.first)

    def has(self, symbol: str, received_at: int) -> bool:
        """Whether a trade of the symbol, received then (epoch µs), is of one that was subscribed."""
        if self.since is None or received_at < self.since:
            return True
        first = self._spelt.get(symbol)
        return first is not None and first <= received_at


def load_subscribed(directory: Path) -> Subscribed:
    """What is noted beside the journal in ``directory``; nothing is judged where that is absent or damaged."""
    try:
        kept = json.loads((directory / FILE_NAME).read_text(encoding="utf-8"))
        return Subscribed(int(kept["since"]), {str(symbol): int(at) for symbol, at in kept["symbols"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Subscribed()


def note_subscribed(directory: Path, symbols: Iterable[str], at: int) -> Subscribed:
    """Note that the symbols are subscribed from ``at`` on (epoch µs of receipt), before they are.

    Raises:
        OSError: it can't be written.
    """
    known = load_subscribed(directory)
    new = set(symbols) - known.first.keys()
    if known.since is not None and not new:
        return known
    since = at if known.since is None else known.since
    noted = Subscribed(since, {**known.first, **dict.fromkeys(sorted(new), at)})
    scratch = directory / f"{FILE_NAME}.tmp"
    with scratch.open("w", encoding="utf-8") as file:
        json.dump({"since": noted.since, "symbols": noted.first}, file)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(directory / FILE_NAME)
    sync_directory(directory)
    return noted
