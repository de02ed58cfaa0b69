"""Reads a journal from outside its writer's process: while it grows, is compressed, and loses old segments."""

from collections.abc import Callable, Iterator
from pathlib import Path

from market_pipeline.feed.journal.frame import Frame, Parsed
from market_pipeline.feed.journal.segment import (
    COMPRESSED_SUFFIX,
    Segment,
    from_time_on,
    list_segments,
    read_segment,
    segment_of,
)

Damaged = Callable[[Path, int], None]
"""Is told of each segment with damaged or incomplete stretches, and how many it has."""


def unheeded(segment: Path, stretches: int) -> None:
    """Damage of which nothing is told."""


def read_frames(where: Path, since: int = 0, damaged: Damaged = unheeded) -> Iterator[Frame]:
    """The journal's frames, in order of receipt, from ``since`` (epoch µs) on.

    What is damaged is passed over, as is a torn tail, which a crash or a writer in mid-write leaves.

    Args:
        where: a journal's directory, or one segment file.
        since: frames received earlier are left out.
        damaged: called when a segment was read that is not whole.

    Raises:
        OSError: a segment can't be read.
    """
    for segment in from_time_on(_segments(where), since):
        parsed = read_listed(segment)
        if parsed.torn:
            damaged(segment.path, parsed.torn)
        for frame in parsed.frames:
            if frame.received_at >= since:
                yield frame


def read_backwards(directory: Path) -> Iterator[Frame]:
    """The journal's frames from the newest to the oldest, a segment at a time in memory.

    Raises:
        OSError: a segment can't be read.
    """
    for segment in reversed(list_segments(directory)):
        yield from reversed(read_listed(segment).frames)


def _segments(where: Path) -> list[Segment]:
    if where.is_dir():
        return list_segments(where)
    segment = segment_of(where)
    return [segment] if segment else []


def read_listed(segment: Segment) -> Parsed:
    """A segment that was there when it was listed: compressed since, it is read all the same; deleted, it is empty.

    Raises:
        OSError: it can't be read.
    """
    try:
        return read_segment(segment.path)
    except FileNotFoundError:
        compressed = segment.path.with_name(f"{segment.first:016d}{COMPRESSED_SUFFIX}")
    try:  # compressed since it was listed
        return read_segment(compressed)
    except FileNotFoundError:  # or deleted, being old
        return Parsed([], 0, 0)
