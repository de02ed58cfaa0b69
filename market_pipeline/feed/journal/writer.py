"""The one writer of a journal."""

import contextlib
import errno
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from market_pipeline.feed.journal.frame import SEGMENT_HEADER_BYTES, Frame, encode_frame, segment_header
from market_pipeline.feed.journal.position import load_position, save_position
from market_pipeline.feed.journal.reader import listed_pieces
from market_pipeline.feed.journal.retention import has_forgotten
from market_pipeline.feed.journal.segment import from_time_on, list_segments, segment_path, sync_directory
from market_pipeline.feed.journal.tail import Head, Tail

logger = logging.getLogger(__name__)
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_ROOM = _DISK_FULL | {errno.EFBIG}
_CLOCK_WARNING_US = 1_000_000


class JournalFull(Exception):
    """There is no room for a frame. Nothing of it was kept: append it again when there is.

    Attributes:
        disk_full: deleting files makes room; else it is a limit on the size of one file.
    """

    def __init__(self, directory: Path, number: int) -> None:
        super().__init__(f"{directory}: {os.strerror(number)}")
        self.disk_full = number in _DISK_FULL


def epoch_us() -> int:
    """The wall clock in epoch microseconds."""
    return time.time_ns() // 1000


class Journal:
    """Appends frames and remembers up to where they were delivered.

    ``append`` belongs to one thread, ``confirm`` to one other; ``sync`` and the figures may be asked from any.

    Args:
        directory: where the segments are; made when absent.
        source: the feed's name, kept with each segment.
        segment_bytes: size at which a segment is closed.
        clock: epoch microseconds; may go backwards, receive times never do.

    Raises:
        OSError: the directory can't be made or read.
    """

    def __init__(
        self, directory: Path, source: str, segment_bytes: int = 16 << 20, clock: Callable[[], int] = epoch_us
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.confirmed = max(load_position(directory), _confirmed_by_retention(directory))
        self._damaged: set[int] = set()
        self.last_frame = self._find_last_frame()
        self.last = max(self.confirmed, self.last_frame.received_at if self.last_frame else 0)
        self._source = source
        self._segment_bytes = segment_bytes
        self._clock = clock
        self._clock_warned = False
        self._grown = threading.Condition()
        self._first = max([self.last, *(segment.first for segment in list_segments(directory)[-1:])])
        self._path: Path | None = None
        self._descriptor = -1
        self._end = 0
        self._sealed: list[int] = []
        self._synced = Head(self._first, None, 0)
        self._new_name = False
        self._sync_lock = threading.Lock()
        self._sync_failed: OSError | None = None
        self._bring_to_disk_what_is_left()
        self._saved = self.confirmed
        self._confirmed_at_start = self.confirmed
        self._last_at_start = self.last
        self._backlog = 0
        self._appended = 0
        self._delivered = 0
        self._oldest_unconfirmed: int | None = None

    def append(self, payload: bytes) -> Frame:
        """Stamp a frame and hand it to the operating system: from here on, killing this process doesn't lose it.

        Raises:
            JournalFull: no room on the disk; the journal is as it was before.
            OSError: the disk is broken.
        """
        received_at = self._stamp()
        record = encode_frame(received_at, payload)
        try:
            if self._path is None or self._end >= self._segment_bytes:
                self._start_segment(received_at)
            self._write(record)
        except OSError as error:
            self._take_back()
            if error.errno in _NO_ROOM:
                raise JournalFull(self.directory, error.errno) from None
            raise
        with self._grown:
            self.last = received_at
            self._end += len(record)
            self._appended += 1
            if self._oldest_unconfirmed is None:
                self._oldest_unconfirmed = received_at
            self._grown.notify_all()
        return Frame(received_at, payload, self._source)

    def confirm(self, received_at: int, frames: int, oldest_left: int | None) -> None:
        """All frames up to ``received_at`` have been delivered, ``frames`` of them since the last call.

        Args:
            received_at: of the last delivered frame (epoch µs).
            frames: how many.
            oldest_left: receive time of the first frame that is not delivered, if known.
        """
        with self._grown:
            self.confirmed = received_at
            self._delivered += frames
            nothing_left = received_at >= self.last
            self._oldest_unconfirmed = None if nothing_left else oldest_left or received_at

    def tail(self) -> Tail:
        """A reader of what is not confirmed, and of what will be appended."""
        return Tail(self.directory, self.confirmed, self.head, self._wait, self._damaged.add)

    def head(self) -> Head:
        """What a tail may read: what is on the disk itself, after everything appended so far was brought there.

        What comes in during the sync waits for the next one, so that a tail that keeps reading commits in groups.

        Raises:
            OSError: it can't be brought there.
        """
        with self._grown:
            if self._synced == Head(self._first, self._path, self._end):
                return self._synced
        self.sync()
        with self._grown:
            return self._synced

    def count_backlog(self) -> None:
        """Count what an earlier process left unconfirmed; slow when much is, so it has a thread of its own."""
        since = self._confirmed_at_start + 1
        left = [s for s in from_time_on(list_segments(self.directory), since) if not s.compressed]
        self._backlog = sum(
            since <= frame.received_at <= self._last_at_start
            for segment in left
            if segment.first <= self._last_at_start
            for piece in listed_pieces(segment)
            for frame in piece.frames
        )

    def sync(self) -> None:
        """Bring what was appended to the disk itself.

        Raises:
            OSError: the disk is full or broken. Linux reports that once and forgets what it could not write, so no
                later sync of this journal succeeds either: open it again, which reads what is really there.
        """
        with self._sync_lock:
            if self._sync_failed is not None:
                raise OSError(self._sync_failed.errno, self._sync_failed.strerror)
            with self._grown:
                sealed, self._sealed = self._sealed, []
                new_name, self._new_name = self._new_name, False
                current = os.dup(self._descriptor) if self._descriptor >= 0 else -1
                head = Head(self._first, self._path, self._end)
            try:
                for descriptor in (*sealed, current):
                    if descriptor >= 0:
                        os.fdatasync(descriptor)
                if new_name:
                    sync_directory(self.directory)
            except OSError as error:
                self._sync_failed = error
                raise
            finally:
                for descriptor in (*sealed, current):
                    if descriptor >= 0:
                        os.close(descriptor)
            with self._grown:
                self._synced = head

    def save_position(self) -> None:
        """Bring the confirmed position into its file: what it doesn't tell is delivered again after a crash.

        Raises:
            OSError: the disk is full or broken.
        """
        position = self.confirmed
        if position != self._saved:
            save_position(self.directory, position)
            self._saved = position

    def close(self) -> None:
        """Sync and let go of the files.

        Raises:
            OSError: the disk is full or broken.
        """
        try:
            self.sync()
            self.save_position()
        finally:
            with self._grown:
                if self._descriptor >= 0:
                    os.close(self._descriptor)
                self._descriptor, self._path = -1, None

    @property
    def unconfirmed_frames(self) -> int:
        """Frames that Kafka has not confirmed, those of earlier processes included once they are counted."""
        with self._grown:
            return 0 if self.confirmed >= self.last else max(1, self._backlog + self._appended - self._delivered)

    def figures(self, now: int) -> dict[str, Any]:
        """For the heartbeat: bytes and segments on disk, what is unconfirmed and how old (s), damaged segments."""
        sizes = [_size_of(segment.path) for segment in list_segments(self.directory)]
        unconfirmed, oldest = self.unconfirmed_frames, self._oldest_unconfirmed or self.confirmed
        return {
            "bytes": sum(sizes),
            "segments": len(sizes),
            "unconfirmed_frames": unconfirmed,
            "oldest_unconfirmed_age_s": max(0.0, (now - oldest) / 1e6) if unconfirmed and oldest else 0.0,
            "torn": len(self._damaged),
        }

    def _bring_to_disk_what_is_left(self) -> None:
        """An earlier process may have been killed before its last sync."""
        left = [s for s in from_time_on(list_segments(self.directory), self.confirmed + 1) if not s.compressed]
        for segment in left:
            descriptor = os.open(segment.path, os.O_RDONLY)
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        if left:
            sync_directory(self.directory)

    def _stamp(self) -> int:
        now = self._clock()
        newest = max(
            self.last, self._first
        )  # of a segment that a full disk left without a frame only the name is known
        if now > newest:
            self._clock_warned = False
            return now
        if newest - now > _CLOCK_WARNING_US and not self._clock_warned:
            self._clock_warned = True
            behind = (newest - now) / 1e6
            logger.warning("the clock is %.1f s behind the journal: receive times go on from its last frame", behind)
        return newest + 1

    def _start_segment(self, first: int) -> None:
        path = segment_path(self.directory, first)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        with self._grown:
            if self._descriptor >= 0:
                self._sealed.append(self._descriptor)
            self._descriptor, self._first, self._path, self._end = descriptor, first, path, 0
            self._new_name = True
        self._write(segment_header(self._source))
        with self._grown:
            self._end = SEGMENT_HEADER_BYTES

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def _take_back(self) -> None:
        """Undo a half-written record; where even that fails the segment is left behind, its torn end tolerated."""
        if self._path is None or self._descriptor < 0:
            return
        with contextlib.suppress(OSError):
            if self._end >= SEGMENT_HEADER_BYTES:
                os.ftruncate(self._descriptor, self._end)
                return
        with self._grown:
            self._sealed.append(self._descriptor)
            if self._end < SEGMENT_HEADER_BYTES:
                with contextlib.suppress(OSError):
                    self._path.unlink()
            self._descriptor, self._path, self._end = -1, None, 0

    def _find_last_frame(self) -> Frame | None:
        for segment in reversed(list_segments(self.directory)):
            last: Frame | None = None
            for piece in listed_pieces(segment):
                last = piece.frames[-1] if piece.frames else last
                if piece.torn:
                    self._damaged.add(segment.first)
            if last is not None:
                return last
        return None

    def _wait(self, seen: Head, timeout_s: float) -> None:
        with self._grown:
            self._grown.wait_for(lambda: Head(self._first, self._path, self._end) != seen, timeout_s)


def _confirmed_by_retention(directory: Path) -> int:
    """Up to where frames are confirmed because others were compressed or deleted, for a position that was lost."""
    segments = list_segments(directory)
    confirmed = segments[0].first - 1 if segments and has_forgotten(directory) else 0
    for segment, following in itertools.pairwise(segments):
        if segment.compressed:
            confirmed = following.first - 1
    return confirmed


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
