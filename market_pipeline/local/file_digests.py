"""The SHA-256 of files, taken once for as long as a file stays as it was, so that a check at each use costs nothing.

What was taken is kept in a file that only we can read and write. A file is as it was while its device, inode, size and
times are: no program can set the time of the last change of its inode.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from market_pipeline.local.private_files import write_private
from market_pipeline.local.user_cache import cache_folder

THREADS = 4


def record_file() -> Path:
    """Where the digests are kept, for all pipelines of this user."""
    return cache_folder() / "digests.json"


def digests(files: Iterable[Path], *, afresh: bool = False) -> Mapping[Path, str]:
    """The SHA-256 of each file that can be read, in hexadecimal.

    Args:
        files: to be hashed.
        afresh: read every file, whatever is known of it.
    """
    now = {file: state for file in files if (state := _state(file)) is not None}
    known = _known()
    found = {file: known[str(file)][1] for file in now if not afresh and known.get(str(file), [None])[0] == now[file]}
    unknown = [file for file in now if file not in found]
    if unknown:
        with ThreadPoolExecutor(THREADS, "digests") as pool:
            found |= {file: digest for file, digest in zip(unknown, pool.map(_digest, unknown), strict=True) if digest}
        new = {str(file): [now[file], found[file]] for file in unknown if file in found and _state(file) == now[file]}
        with contextlib.suppress(OSError):  # the next use hashes them again
            write_private(record_file(), json.dumps(known | new))
    return found


def _state(file: Path) -> str | None:
    try:
        stat = file.stat()
    except OSError:
        return None
    return f"{stat.st_dev} {stat.st_ino} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"


def _digest(file: Path) -> str | None:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return None


def _known() -> dict[str, list[str]]:
    """What is kept; nothing of a file that another user owns or may write."""
    try:
        with record_file().open("rb") as file:
            stat = os.fstat(file.fileno())
            kept = json.load(file)
    except (OSError, ValueError):
        return {}
    if stat.st_uid != os.getuid() or stat.st_mode & 0o022 or not isinstance(kept, dict):
        return {}
    return {name: value for name, value in kept.items() if isinstance(value, list) and len(value) == 2}
