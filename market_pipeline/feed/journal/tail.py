"""Follows a journal from within its writer's process, from the confirmed position to the frame just appended."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from market_pipeline.feed.journal.frame import SEGMENT_HEADER_BYTES, Frame, parse_frames, source_of
from market_pipeline.feed.journal.segment import Segment, from_time_on, list_segments

_CHUNK = 1 << 18


class Head(NamedTuple):
    """How far the writer is.

    Attributes:
        first: name of the newest segment that may be read; a later file is one that the writer only just makes.
        path: the segment being written, None when there is none.
        end: the bytes of it that may be read.
    """

    first: int
    path: Path | None
    end: int


class Tail:
    """Hands out frames in order, each once, and waits for new ones.

    It reads from the files, not from the writer's memory: however far behind it is, memory stays flat, and what is
    new lies in the page cache. Segments that are compressed are confirmed, so they are never read here.

    Args:
        directory: the journal's.
        after: frames received up to then (epoch µs) are left out.
        head: how far the writer is.
        wait: returns when the head is no longer the one given, or after seconds.
        on_damage: called with the name of a segment of which not everything can be read.
    """

    def __init__(
        self,
        directory: Path,
        after: int,
        head: Callable[[], Head],
        wait: Callable[[Head, float], None],
        on_damage: Callable[[int], object],
    ) -> None:
        self._directory = directory
        self._after = after
        self._head = head
        self._wait = wait
        self._on_damage = on_damage
        self._segment: Segment | None = None
        self._descriptor = -1
        self._source = ""
        self._offset = 0
        self._chunk = _CHUNK

    def read(self, wait_s: float) -> list[Frame]:
        """The next frames; none when nothing came within ``wait_s`` seconds.

        Raises:
            OSError: a segment can't be read.
        """
        head = self._head()
        frames = self._advance(head)
        if not frames and wait_s > 0:
            self._wait(head, wait_s)
            frames = self._advance(self._head())
        return frames

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _advance(self, head: Head) -> list[Frame]:
        while True:
            if self._segment is None and not self._open_next(head):
                return []
            frames, at_end = self._read_on(head)
            if frames or not at_end or not self._open_next(head):
                return frames

    def _open_next(self, head: Head) -> bool:
        """Go to the following segment; False when there is none with anything to read."""
        segments = [s for s in from_time_on(list_segments(self._directory), self._after + 1) if not s.compressed]
        current = self._segment.first if self._segment else -1
        following = next((segment for segment in segments if current < segment.first <= head.first), None)
        if following is None or (following.path == head.path and head.end < SEGMENT_HEADER_BYTES):
            return False
        self.close()
        self._segment = following
        self._descriptor = os.open(following.path, os.O_RDONLY)
        self._source = source_of(os.pread(self._descriptor, SEGMENT_HEADER_BYTES, 0))
        self._offset = SEGMENT_HEADER_BYTES if self._source else 0
        self._chunk = _CHUNK
        return True

    def _read_on(self, head: Head) -> tuple[list[Frame], bool]:
        """Frames from the current segment, and whether it has come to its end (the one being written never does)."""
        assert self._segment is not None
        live = self._segment.path == head.path
        limit = head.end if live else os.fstat(self._descriptor).st_size
        while self._offset < limit:
            buffer = os.pread(self._descriptor, min(self._chunk, limit - self._offset), self._offset)
            parsed = parse_frames(buffer, self._source)
            whole = self._offset + len(buffer) >= limit
            if parsed.torn:
                self._on_damage(self._segment.first)
            self._offset += parsed.consumed
            fresh = [frame for frame in parsed.frames if frame.received_at > self._after]
            if fresh:
                self._after = fresh[-1].received_at
                self._chunk = _CHUNK
                return fresh, False
            if whole and parsed.consumed < len(buffer):  # a torn tail: nothing more will come here
                self._on_damage(self._segment.first)
                self._offset = limit
            elif parsed.consumed == 0:
                self._chunk *= 2  # one frame larger than the chunk
        return [], not live
