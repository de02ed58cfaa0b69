"""When each command last worked, by files whose time it is: the runbook tells it beside what it tells to type."""

import os
from datetime import UTC, datetime
from pathlib import Path


def note(folder: Path, command: str) -> None:
    """A command, such as ``topics read``, did what it was asked for just now.

    Raises:
        OSError: that can't be kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _name(command)
    path.touch()
    os.utime(path)


def last(folder: Path, command: str) -> datetime | None:
    """When it did so last; None when it is not known to have."""
    try:
        return datetime.fromtimestamp((folder / _name(command)).stat().st_mtime, UTC)
    except OSError:
        return None


def _name(command: str) -> str:
    return command.replace(" ", ".")
