"""The segment files of a journal: how they are named, listed and read."""

import gzip
import zlib
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from market_pipeline.feed.journal.frame import SEGMENT_HEADER_BYTES, Parsed, parse_frames, source_of

OPEN_SUFFIX = ".frames"
COMPRESSED_SUFFIX = ".frames.gz"


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


def from_time_on(segments: Sequence[Segment], since: int) -> list[Segment]:
    """The segments that can hold a frame received at ``since`` or later."""
    return [
        segment
        for segment, following in zip_longest(segments, segments[1:])
        if following is None or following.first > since
    ]


def read_segment(path: Path) -> Parsed:
    """Every intact frame of a segment; an incomplete or damaged end counts as torn.

    Raises:
        OSError: the file can't be read.
    """
    try:
        buffer = _contents(path)
    except (EOFError, gzip.BadGzipFile, zlib.error):  # not ours, or damaged: nothing of it can be trusted
        return Parsed([], 0, 1)
    if len(buffer) < SEGMENT_HEADER_BYTES:
        return Parsed([], 0, 1 if buffer else 0)
    source = source_of(buffer[:SEGMENT_HEADER_BYTES])
    parsed = parse_frames(buffer, source, SEGMENT_HEADER_BYTES if source else 0)
    tail_is_torn = parsed.consumed < len(buffer)
    return parsed._replace(torn=parsed.torn + tail_is_torn)


def _contents(path: Path) -> bytes:
    if path.suffix != ".gz":
        return path.read_bytes()
    with gzip.open(path) as file:
        return file.read()
