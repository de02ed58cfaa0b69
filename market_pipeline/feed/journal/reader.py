"""Reads a journal from outside its writer's process: while it grows, is compressed, and loses old segments."""

from collections.abc import Callable, Iterator
from pathlib import Path

from market_pipeline.feed.journal.frame import Frame, Parsed
from market_pipeline.feed.journal.segment import (
    COMPRESSED_SUFFIX,
    Segment,
    from_time_on,
    list_segments,
    pieces,
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
        damaged: called after a segment was read that is not whole.

    Raises:
        OSError: a segment can't be read.
    """
    for segment in from_time_on(_segments(where), since):
        torn = 0
        for piece in listed_pieces(segment):
            torn += piece.torn
            for frame in piece.frames:
                if frame.received_at >= since:
                    yield frame
        if torn:
            damaged(segment.path, torn)


def read_backwards(directory: Path) -> Iterator[Frame]:
    """The journal's frames from the newest to the oldest, a segment at a time in memory.

    Raises:
        OSError: a segment can't be read.
    """
    for segment in reversed(list_segments(directory)):
        yield from reversed([frame for piece in listed_pieces(segment) for frame in piece.frames])


def _segments(where: Path) -> list[Segment]:
    if where.is_dir():
        return list_segments(where)
    segment = segment_of(where)
    return [segment] if segment else []


def listed_pieces(segment: Segment) -> Iterator[Parsed]:
    """A segment that was there when it was listed: compressed since, it is read all the same; deleted, it is empty.

    Raises:
        OSError: it can't be read.
    """
    try:
        return pieces(segment.path)
    except FileNotFoundError:
        compressed = segment.path.with_name(f"{segment.first:016d}{COMPRESSED_SUFFIX}")
    try:  # compressed since it was listed
        return pieces(compressed)
    except FileNotFoundError:  # or deleted, being old
        return iter(())
