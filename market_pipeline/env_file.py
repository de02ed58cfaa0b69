"""Reads a ``.env`` file, which decides where keys are sent: one that somebody else may write is refused.

The rule is that of ``ssh`` for its files: it belongs to this user or to root, and nobody else may write it. A group of
this user alone, which many systems give each user, is not somebody else.
"""

import grp
import io
import os
import pwd
import stat
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from market_pipeline.mendable import Mendable
from market_pipeline.ownership import is_trusted, user_name

EXECUTABLES = frozenset({"MARKET_PIPELINE_JAVA_HOME"})
"""Variables that name a program to run: no file of a working folder may choose one."""


class UntrustedEnvFile(Mendable):
    """A ``.env`` that is not read; the message is one line that says why."""


def read_env_file(path: Path) -> Mapping[str, str | None]:
    """The variables in a file; none when there is no file.

    Raises:
        UntrustedEnvFile: somebody else may write it, it names a program to run, or it can't be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    try:
        # what is checked is what is read, whatever becomes of the name meanwhile
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123 - of a pipe it waits for nobody
            distrust = why_untrusted(os.fstat(file.fileno()), os.getuid())
            text = b"" if distrust else file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return {}
    except OSError as error:
        raise UntrustedEnvFile(f"{path.absolute()} can't be read ({error.strerror}): put that right") from None
    if distrust:
        raise UntrustedEnvFile(f"{path.absolute()} is not read, for {distrust}")
    # as it stands: a password may have a dollar and a brace, and no value takes in another variable
    found = dotenv_values(stream=io.StringIO(text.decode("utf-8")), interpolate=False)
    if named := sorted(name for name in found if name.upper() in EXECUTABLES):
        raise UntrustedEnvFile(
            f"{path.absolute()} can't set {named[0]}, which names a program to run: export it instead"
        )
    return found


def why_untrusted(file: os.stat_result, user: int) -> str:
    """Why a file is not one that only this user and root write, and how to change that; '' when it is."""
    if not stat.S_ISREG(file.st_mode):
        return "it is no ordinary file: put one in its place"
    if not is_trusted(file.st_uid, user):
        return f"it belongs to {user_name(file.st_uid)}: copy what you need of it into a file of your own"
    if file.st_mode & stat.S_IWOTH or (file.st_mode & stat.S_IWGRP and not _is_private(file.st_gid, user)):
        return "others may write it: chmod go-w it, if what it says is yours"
    return ""


def _is_private(gid: int, user: int) -> bool:
    """Whether a group is the user's own, with nobody else in it."""
    try:
        own, group = pwd.getpwuid(user), grp.getgrgid(gid)
    except KeyError:
        return False
    return own.pw_gid == gid and group.gr_name == own.pw_name and set(group.gr_mem) <= {own.pw_name}
