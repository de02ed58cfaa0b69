"""The segment files of a journal: how they are named, listed and read."""

import gzip
import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO, NamedTuple

from market_pipeline.feed.journal.frame import (
    MAX_PAYLOAD_BYTES,
    SEGMENT_HEADER_BYTES,
    Parsed,
    parse_frames,
    source_of,
)

OPEN_SUFFIX = ".frames"
COMPRESSED_SUFFIX = ".frames.gz"
MAX_SEGMENT_MB = 1024
"""A segment is closed before it is larger."""
MAX_SEGMENT_BYTES = (MAX_SEGMENT_MB << 20) + 2 * MAX_PAYLOAD_BYTES
"""What a gzip of one may unpack to: a few KiB of a gzip can hold gigabytes."""
_CHUNK = 1 << 18


class Segment(NamedTuple):
    """A segment file.

    Attributes:
        first: receive time of its first frame (epoch µs), told by its name.
        path: the file.
        compressed: whether it is a gzip; only confirmed segments are.
    """

    first: int
    path: Path
    compressed: bool


def segment_path(directory: Path, first: int) -> Path:
    """Where the segment that begins at ``first`` lives; names sort in order of time."""
    return directory / f"{first:016d}{OPEN_SUFFIX}"


def segment_of(path: Path) -> Segment | None:
    """The segment that ``path`` names; None for any other file."""
    for suffix, compressed in ((COMPRESSED_SUFFIX, True), (OPEN_SUFFIX, False)):
        stem = path.name.removesuffix(suffix)
        if stem != path.name and stem.isdigit():
            return Segment(int(stem), path, compressed)
    return None


def list_segments(directory: Path) -> list[Segment]:
    """The segments in order of time. One that lies there both ways counts once, as it was written."""
    if not directory.is_dir():
        return []
    found: dict[int, Segment] = {}
    for path in sorted(directory.iterdir()):
        segment = segment_of(path)
        if segment and (segment.first not in found or not segment.compressed):
            found[segment.first] = segment
    return [found[first] for first in sorted(found)]


def sync_directory(directory: Path) -> None:
    """Bring the names of the files in a directory to the disk itself.

    Raises:
        OSError: the disk is full or broken.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def from_time_on(segments: Sequence[Segment], since: int) -> list[Segment]:
    """The segments that can hold a frame received at ``since`` or later."""
    return [
        segment
        for segment, following in zip_longest(segments, segments[1:])
        if following is None or following.first > since
    ]


def pieces(path: Path) -> Iterator[Parsed]:
    """A segment, a piece at a time, so that memory stays flat however long it is or a gzip of it becomes.

    An incomplete or damaged end counts as torn. So does a gzip's beyond ``MAX_SEGMENT_BYTES``.

    Raises:
        OSError: the file can't be read; nothing was given then.
    """
    file = path.open("rb")
    return _pieces(file, path.suffix == ".gz")


def _pieces(file: BinaryIO, compressed: bool) -> Iterator[Parsed]:
    source, rest, first, damaged = "", b"", True, False
    with file:
        contents = _Contents(file, compressed)
        while data := contents.read(max(_CHUNK, len(rest))):  # twice as much when one frame is larger than a piece
            begin = 0
            if first:
                first, source = False, source_of(data[:SEGMENT_HEADER_BYTES])
                begin = SEGMENT_HEADER_BYTES if source else 0
            rest += data
            parsed = parse_frames(rest, source, begin, damaged=damaged)
            damaged = parsed.pending > parsed.consumed or (damaged and not parsed.frames)
            rest = rest[parsed.pending :]
            yield parsed
    if rest or damaged or contents.cut_off:
        yield Parsed([], 0, 1)


class _Contents:
    """The bytes of a segment's file, unpacked where it is a gzip, as far as they can be had.

    Attributes:
        cut_off: it is a gzip that is damaged, or unpacks to more than any segment has.
    """

    def __init__(self, file: BinaryIO, compressed: bool) -> None:
        self._read1 = gzip.GzipFile(fileobj=file).read1 if compressed else file.read
        self._left = MAX_SEGMENT_BYTES if compressed else sys.maxsize
        self.cut_off = False

    def read(self, size: int) -> bytes:
        """``size`` bytes; fewer at the end."""
        parts: list[bytes] = []
        while size > 0 and not self.cut_off:
            try:
                part = self._read1(size)
            except (EOFError, gzip.BadGzipFile, zlib.error):
                self.cut_off = True
                break
            if not part:
                break
            self._left -= len(part)
            self.cut_off = self._left < 0
            parts.append(part)
            size -= len(part)
        return b"".join(parts)
