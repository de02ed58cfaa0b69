"""The logs of the programs: their ends, and what is added to them."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from market_pipeline.local import cassandra, kafka
from market_pipeline.local.programs import EVERY_NAME
from market_pipeline.local.supervisord import NAME as SUPERVISOR
from market_pipeline.settings import Settings

BLOCK_BYTES = 64 * 1024


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
    return "\n".join(block.decode("utf-8", errors="replace").splitlines()[-lines:])


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
        *whole, self._rest = (self._rest + added).split(b"\n")
        return [line.decode("utf-8", errors="replace") for line in whole]


def follow(files: Iterable[tuple[str, Path]]) -> list[tuple[str, Follower]]:
    """A follower for each named file, from its end on."""
    return [(name, Follower(file).from_end()) for name, file in files]


def added(followers: Iterable[tuple[str, Follower]]) -> Iterator[tuple[str, str]]:
    """What was added to any of them since the last call, with the name."""
    for name, follower in followers:
        for line in follower.new_lines():
            yield name, line
