"""The token of Dagster's page: made anew at each start of the pipeline, in a file that only its owner may read.

It is the pipeline's and not the webserver's, so that a page which is open in a browser goes on when the supervisor
restarts the webserver. Loads fast: a container's health probe reads the token every few seconds.
"""

import contextlib
import os
import re
import secrets
import stat
import tempfile
from pathlib import Path

from market_pipeline.mendable import Mendable
from market_pipeline.ownership import is_trusted

BYTES = 32
_WELL_FORMED = re.compile(r"[A-Za-z0-9_.~+/=-]{32,512}")


class TokenFileError(Mendable):
    """The token's file can't be used; the message says why, and how to fix it."""


def read(file: Path) -> str | None:
    """The token; None while there is none.

    Raises:
        TokenFileError: others can read or replace it, or it holds something else.
        OSError: we may not read it.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        _check_owner(file, os.fstat(descriptor))  # of the very file that is read, wherever a link led
        text = os.read(descriptor, 1024).decode("ascii", "replace").strip()
    finally:
        os.close(descriptor)
    if not _WELL_FORMED.fullmatch(text):
        raise TokenFileError(
            f"{file} holds no token of 32 or more letters and digits: `openssl rand -hex 32 > {file}`, or remove it"
        )
    return text


def _check_owner(file: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise TokenFileError(f"{file} is not a file: name another one, or remove it")
    if not is_trusted(status.st_uid, os.getuid()):
        raise TokenFileError(f"{file} belongs to another user: name a file of your own")
    # what root put there (a container's secret) is read as the platform mounts it
    forbidden = 0o077 if status.st_uid == os.getuid() else 0o022
    if status.st_mode & forbidden:
        raise TokenFileError(f"{file} is open to other users: `chmod 600 {file}`, and change what is in it")


def ensure(file: Path) -> str:
    """The token; a new one where there is none.

    Raises:
        TokenFileError, OSError: as of ``read``.
    """
    return read(file) or renew(file)


def renew(file: Path) -> str:
    """Put a new token into the file, all at once.

    Raises:
        OSError: it can't be written.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    token = secrets.token_urlsafe(BYTES)
    descriptor, beside = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            opened.write(f"{token}\n")
        Path(beside).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(beside).unlink()
        raise
    return token
