"""What becomes of segments that were confirmed: compressed, and deleted by age and by size.

An unconfirmed frame is the only copy of a trade: no limit ever deletes one.
"""

import contextlib
import gzip
import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from market_pipeline.feed.journal.segment import COMPRESSED_SUFFIX, Segment, list_segments, sync_directory

logger = logging.getLogger(__name__)
_LEVEL = 3  # messages shrink to about an eighth at any level; this one takes a third of the time of the default
FORGOTTEN = "forgotten"
"""The file that says that segments were deleted."""


@dataclass(frozen=True)
class Limits:
    """How much of the past is kept.

    Attributes:
        keep_us: age, in microseconds, from which a confirmed segment is deleted.
        max_bytes: size of the whole journal above which the oldest confirmed segments are deleted.
    """

    keep_us: int
    max_bytes: int


@dataclass(frozen=True)
class Plan:
    """What to do, oldest first."""

    compress: tuple[Segment, ...]
    delete: tuple[Segment, ...]


def plan(segments: Sequence[Segment], sizes: Sequence[int], confirmed: int, now: int, limits: Limits) -> Plan:
    """What to compress and what to delete. Pure.

    A segment counts as confirmed once a frame of a later one is: its name tells no last frame, and this errs on the
    safe side. The newest segment is therefore never touched.

    Args:
        segments: in order of time.
        sizes: their bytes.
        confirmed: receive time of the last confirmed frame (epoch µs).
        now: epoch µs.
        limits: what is kept.
    """
    total = sum(sizes)
    compress: list[Segment] = []
    delete: list[Segment] = []
    for segment, following, size in zip(segments, segments[1:], sizes, strict=False):
        if following.first > confirmed:
            break
        if following.first < now - limits.keep_us or total > limits.max_bytes:
            delete.append(segment)
            total -= size
        elif not segment.compressed:
            compress.append(segment)
    return Plan(tuple(compress), tuple(delete))


def tidy(directory: Path, confirmed: int, now: int, limits: Limits) -> Plan:
    """Carry out the plan for the directory and return it.

    Raises:
        OSError: the disk is full, say; every segment is still there, one way or the other.
    """
    segments = list_segments(directory)
    todo = plan(segments, [_size(segment.path) for segment in segments], confirmed, now, limits)
    if todo.delete:
        (directory / FORGOTTEN).touch()
    for segment in todo.delete:
        _delete(segment)
    for segment in todo.compress:
        compress(segment)
    return todo


def free_oldest(directory: Path, confirmed: int) -> bool:
    """Make room on a full disk by deleting the oldest confirmed segment; False when there is none.

    Raises:
        OSError: it can't be deleted.
    """
    segments = list_segments(directory)
    sizes = [_size(segment.path) for segment in segments]
    least = Limits(keep_us=0, max_bytes=sum(sizes) - 1)
    oldest = plan(segments, sizes, confirmed, 0, least).delete[:1]
    for segment in oldest:
        with contextlib.suppress(OSError):  # there may be no room even for the name
            (directory / FORGOTTEN).touch()
        _delete(segment)
        with contextlib.suppress(OSError):  # another program may have been quicker
            (directory / FORGOTTEN).touch()
        logger.warning("no room on the disk: the journal's oldest confirmed segment is deleted (%s)", segment.path.name)
    return bool(oldest)


def has_forgotten(directory: Path) -> bool:
    """Whether segments were ever deleted: what is older than the oldest segment may then have been received as well."""
    return (directory / FORGOTTEN).exists()


def compress(segment: Segment) -> None:
    """Replace a segment by its gzip; a crash at any point leaves at least one whole copy."""
    target = _compressed_path(segment)
    scratch = target.with_suffix(".tmp")
    try:
        with segment.path.open("rb") as plain, scratch.open("wb") as file:
            with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=_LEVEL, mtime=0) as packed:
                shutil.copyfileobj(plain, packed, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(target)
        sync_directory(target.parent)  # a power cut must not take the one and the other
    except OSError:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise
    segment.path.unlink()


def _delete(segment: Segment) -> None:
    segment.path.unlink(missing_ok=True)
    _compressed_path(segment).unlink(missing_ok=True)


def _compressed_path(segment: Segment) -> Path:
    return segment.path.with_name(f"{segment.first:016d}{COMPRESSED_SUFFIX}")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
