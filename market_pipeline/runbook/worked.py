"""When each line of the runbook last worked by hand, and when it last reported a fault: files whose time it is."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from market_pipeline.runbook.line import Line
from market_pipeline.runbook.lines import SECTIONS


def note(folder: Path, command: Sequence[str], arguments: Sequence[str], *, fault: bool = False) -> None:
    """One of our commands, such as ``topics read``, did just now what it was asked for with these arguments.

    Args:
        fault: it could not, or found something wrong and reported it.

    Raises:
        OSError: that can't be kept.
    """
    for section in SECTIONS:
        for line in section.lines:
            if line.is_done_by(command, arguments):
                folder.mkdir(parents=True, exist_ok=True)
                path = _path(folder, line, fault)
                path.touch()
                os.utime(path)


def last(folder: Path, line: Line, *, fault: bool = False) -> datetime | None:
    """When it last worked, or last reported a fault; None when it is not known to have."""
    try:
        return datetime.fromtimestamp(_path(folder, line, fault).stat().st_mtime, UTC)
    except OSError:
        return None


def _path(folder: Path, line: Line, fault: bool) -> Path:
    return folder / (f"{line.id}.fault" if fault else line.id)
