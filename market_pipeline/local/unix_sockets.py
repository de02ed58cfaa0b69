"""Where the Unix sockets of a pipeline lie: in folders that only its user can enter, at paths that the kernel takes."""

import contextlib
import hashlib
import os
import re
import shutil
import socket
import stat
import tempfile
from pathlib import Path

from market_pipeline.mendable import Mendable
from market_pipeline.ownership import is_trusted, user_name
from market_pipeline.settings import Settings

PATH_LIMIT = 100
"""Bytes. Linux allows 107 in the address of a Unix socket, macOS 103."""

ANSWER_WITHIN_S = 2.0
_UNQUOTED = re.compile(r"[\w./-]+", re.ASCII)


class UnsafeFolder(Mendable):
    """The folder for sockets is not ours alone; one line that says how to get another."""


def folder(settings: Settings, room: int, *, within_a_uri: bool = False) -> Path:
    """The folder for a pipeline's sockets: ``run/`` in its data dir, or a short one of ours where that is too long.

    Args:
        settings: of the pipeline.
        room: bytes that names in the folder may have.
        within_a_uri: the path becomes part of an address (gRPC's ``unix:``) in which some characters mean something.
    """
    usual = settings.paths.run
    fits = len(os.fsencode(usual)) + len("/") + room <= PATH_LIMIT
    if fits and (not within_a_uri or _UNQUOTED.fullmatch(str(usual))):
        return usual
    digest = hashlib.sha256(os.fsencode(settings.data_dir)).hexdigest()[:16]
    return _shared_folder() / digest


def _shared_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"market-pipeline-{os.getuid()}"


def code_server(settings: Settings) -> Path:
    """Where Dagster's code server listens."""
    name = "dagster.sock"
    return folder(settings, len(name), within_a_uri=True) / name


def emptied(settings: Settings, name: str) -> Path:
    """A folder for Spark's sockets, of one JVM alone; what one that was killed left behind is removed.

    Raises:
        UnsafeFolder: as for ``secure``.
    """
    room = len(f"{name}/.00000000-0000-0000-0000-000000000000.sock")
    wanted = secure(folder(settings, room)) / name
    shutil.rmtree(wanted, ignore_errors=True)
    wanted.mkdir(mode=0o700)
    return wanted


def secure(wanted: Path) -> Path:
    """Make a folder that only our user can enter, and the shared one above it where it lies in that; returns it.

    Raises:
        UnsafeFolder: one of them is a link, no folder, or another user's.
    """
    for each in (wanted.parent, wanted) if wanted.parent == _shared_folder() else (wanted,):
        with contextlib.suppress(FileExistsError):  # of something else than a folder
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = each.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            what = "is a link" if stat.S_ISLNK(found.st_mode) else "is no folder"
            what = "belongs to another user" if stat.S_ISDIR(found.st_mode) else what
            raise UnsafeFolder(f"{each} {what}: remove it, or use a shorter --data-dir")
        each.chmod(0o700)
    return wanted


def connect(path: Path, within_s: float) -> socket.socket:
    """A connection to a Unix socket of ours; calls on it take ``within_s`` at most.

    Raises:
        OSError: nobody accepts it; PermissionError where another user made the folder, and may be who would answer.
    """
    owner = path.parent.lstat().st_uid
    if not is_trusted(owner, os.getuid()):
        raise PermissionError(f"{path.parent} belongs to {user_name(owner)}")
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.settimeout(within_s)
        made.connect(str(path))
    except OSError:
        made.close()
        raise
    return made


def accepts(path: Path) -> bool:
    """Whether a program of ours accepts connections on the Unix socket."""
    try:
        connect(path, ANSWER_WITHIN_S).close()
    except OSError:
        return False
    return True
