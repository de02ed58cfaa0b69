"""What another listener of the same vendor received: its journal, or the files that ``record`` wrote.

A recording tells no down-times of its listener. So it is taken to have listened only where its messages, of whatever
kind and symbol, never paused for longer than ``SILENCE_US``.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from market_pipeline.feed.journal.frame import Frame
from market_pipeline.feed.journal.segment import list_segments
from market_pipeline.feed.normalise import Normaliser
from market_pipeline.feed.recording import RecordingError, messages
from market_pipeline.feed.subscribed import MAX_SYMBOLS
from market_pipeline.model import MAX_KEY_CHARACTERS, Trade

SILENCE_US = 10_000_000
SUFFIX = ".jsonl"
"""How the files of messages end that are looked for in a folder."""


@dataclass
class Recording:
    """A stretch of one recording.

    Attributes:
        trades: those that were wanted, in order of receipt.
        listened: from, to, epoch microseconds: stretches of messages without a long pause.
        symbols: of which there was a trade.
        damaged: some of it could not be read, so that trades may be missing anywhere.
    """

    trades: list[Trade] = field(default_factory=list)
    listened: list[tuple[int, int]] = field(default_factory=list)
    symbols: set[str] = field(default_factory=set)
    damaged: bool = False

    def covers(self, symbol: str, start: int, end: int) -> bool:
        """Whether its listener had the symbol and heard all of [start, end), epoch microseconds, as far as it tells."""
        if self.damaged or symbol not in self.symbols:
            return False
        return any(first <= start and end <= last for first, last in self.listened)


def recordings(source: Path) -> list[Path]:
    """The recordings of a second source, each to be read by itself: a folder's segments are one, as are its files.

    Raises:
        RecordingError: there is none.
    """
    try:
        if not source.is_dir():
            return [source]
        files = sorted(path for path in source.iterdir() if path.suffix == SUFFIX)
        found = [source] if list_segments(source) else []
    except OSError as error:
        raise RecordingError(f"the second source {source} can't be read: {error.strerror}") from None
    if not files and not found:
        raise RecordingError(
            f"{source} holds no recording: put a journal's segments there, or {SUFFIX} files of `record`"
        )
    return found + files


def listen(path: Path, feed: str, since: int, until: int, wanted: Callable[[Trade], bool]) -> Recording:
    """Read a recording from ``since`` to ``until``, epoch microseconds of its own receive time.

    Args:
        path: one of ``recordings``.
        feed: what its trades come from, as our own are told.
        since: of a file, which has no index, what is earlier is read and left out.
        until: what comes later is not read.
        wanted: which trades to keep.

    Raises:
        RecordingError: it can't be read.
    """
    found = Recording()

    def damaged(_: Path, __: int) -> None:
        found.damaged = True

    normaliser = Normaliser(feed)
    for message in messages(path, since, damaged):
        at = message.received_at
        if at > until:
            break
        if at < since:
            continue
        if found.listened and at - found.listened[-1][1] <= SILENCE_US:
            found.listened[-1] = found.listened[-1][0], at
        else:
            found.listened.append((at, at))
        named = (symbol for symbol in message.symbols if len(symbol) <= MAX_KEY_CHARACTERS)
        found.symbols |= set(itertools.islice(named, max(0, MAX_SYMBOLS - len(found.symbols))))
        items = normaliser.items(Frame(at, message.payload, feed))
        found.trades += [item for item in items if isinstance(item, Trade) and wanted(item)]
    return found
