"""Whose files are believed: this user's and root's."""

import os
import pwd
from pathlib import Path


def data_dir_fault(data_dir: Path) -> str | None:
    """Why a data dir is not to be used, with the cure, in one line; None where this user or root owns it, or it is not
    there yet. Its owner chooses the programs' settings, the sockets they open, and the process that a lock names.

    Raises:
        OSError: it can't be looked at.
    """
    try:
        owner = data_dir.stat().st_uid
    except (FileNotFoundError, NotADirectoryError):
        return None
    if is_trusted(owner, os.getuid()):
        return None
    return f"{data_dir} belongs to {user_name(owner)}: run this as that user, or choose another --data-dir"


def is_trusted(owner: int, user: int) -> bool:
    """Whether a user believes the files of an owner."""
    return owner in (user, 0)


def user_name(uid: int) -> str:
    """A user's login, or ``user 1234`` where the machine has none by that number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
