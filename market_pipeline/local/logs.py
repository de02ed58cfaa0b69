"""The logs of the programs: their ends, and what is added to them."""

import heapq
import operator
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from market_pipeline.local import cassandra, kafka
from market_pipeline.local.programs import EVERY_NAME
from market_pipeline.local.supervisord import NAME as SUPERVISOR
from market_pipeline.settings import Settings

BLOCK_BYTES = 64 * 1024
TIME_WITHIN = 60
"""A line bears its time among the first so many characters, if at all."""
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[,.](\d+))? ?(Z|[+-]\d{4})?")


def log_files(settings: Settings, name: str) -> list[Path]:
    """Where a program's log is: the supervisor's file, and for a server the one that it writes itself."""
    own = {"kafka": kafka.log_file, "cassandra": cassandra.log_file}.get(name)
    return [settings.paths.log(name), *([own(settings)] if own else [])]


def services() -> tuple[str, ...]:
    """Everything that has a log."""
    return (*EVERY_NAME, SUPERVISOR)


def tail(file: Path, lines: int = 15) -> str:
    """The last lines of a file; '' when there is none. Reads from the end, however long the file is."""
    if lines <= 0:
        return ""
    try:
        with file.open("rb") as handle:
            position = handle.seek(0, os.SEEK_END)
            block = b""
            while position > 0 and block.count(b"\n") <= lines:
                step = min(BLOCK_BYTES, position)
                position -= step
                handle.seek(position)
                block = handle.read(step) + block
    except OSError:
        return ""
    return "\n".join(_lines(block)[-lines:])


def last_lines(settings: Settings, name: str, lines: int) -> str:
    """The last lines of a service over all its logs, in order of time: a server's are in two files."""
    ends = [(name, tail(file, lines)) for file in log_files(settings, name)]
    return "\n".join([line for _, line in interleaved(ends)][-lines:] if lines > 0 else [])


def _lines(block: bytes) -> list[str]:
    """Lines as whoever wrote them ended them: only a line feed ends one, or what was logged could begin another.
    Without their colours: Dagster writes them also where no terminal is."""
    text = block.decode("utf-8", errors="replace").removesuffix("\n")
    return [_COLOUR.sub("", line).removesuffix("\r") for line in text.split("\n")] if text else []


def interleaved(tails: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The lines of several named logs in order of time, with the name; one without a time stays behind the one before.

    Each program writes times its own way; those without a zone are local time, as all of them mean it.
    """
    return ((name, line) for _, name, line in heapq.merge(*map(_timed, tails), key=operator.itemgetter(0)))


def _timed(log: tuple[str, str]) -> Iterator[tuple[float, str, str]]:
    name, text = log
    newest = 0.0
    for line in text.split("\n") if text else ():
        newest = max(newest, _time_of(line))  # what is out of order within a log stays as it is
        yield newest, name, line


def _time_of(line: str) -> float:
    """Epoch seconds; 0 of a line without a time at its beginning."""
    found = _TIME.search(line, 0, TIME_WITHIN)
    if found is None:
        return 0.0
    day, time, fraction, zone = found.groups()
    try:
        return datetime.fromisoformat(f"{day}T{time}.{(fraction or '0')[:6]:0<6}{zone or ''}").timestamp()
    except ValueError:
        return 0.0


@dataclass
class Follower:
    """Reads what is added to a log, across its rotation."""

    file: Path
    _position: int = 0
    _inode: int = 0
    _rest: bytes = field(default=b"", repr=False)

    def from_end(self) -> "Follower":
        """Skip what is there."""
        try:
            there = self.file.stat()
        except OSError:
            return self
        self._position, self._inode = there.st_size, there.st_ino
        return self

    def new_lines(self) -> list[str]:
        """The complete lines since the last call."""
        try:
            there = self.file.stat()
            if there.st_ino != self._inode or there.st_size < self._position:
                self._position, self._inode, self._rest = 0, there.st_ino, b""
            if there.st_size == self._position:
                return []
            with self.file.open("rb") as handle:
                handle.seek(self._position)
                added = handle.read()
        except OSError:
            return []
        self._position += len(added)
        whole, found, rest = (self._rest + added).rpartition(b"\n")
        self._rest = rest
        return _lines(whole + found)


def follow(files: Iterable[tuple[str, Path]]) -> list[tuple[str, Follower]]:
    """A follower for each named file, from its end on."""
    return [(name, Follower(file).from_end()) for name, file in files]


def added(followers: Iterable[tuple[str, Follower]]) -> Iterator[tuple[str, str]]:
    """What was added to any of them since the last call, with the name."""
    for name, follower in followers:
        for line in follower.new_lines():
            yield name, line
