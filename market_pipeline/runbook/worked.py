"""When each line of the runbook was last done by hand, by files whose time it is: it is told beside the line."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from market_pipeline.runbook.line import Line
from market_pipeline.runbook.lines import SECTIONS


def note(folder: Path, command: Sequence[str], arguments: Sequence[str]) -> None:
    """One of our commands, such as ``topics read``, did just now what it was asked for with these arguments.

    Raises:
        OSError: that can't be kept.
    """
    for section in SECTIONS:
        for line in section.lines:
            if line.is_done_by(command, arguments):
                folder.mkdir(parents=True, exist_ok=True)
                path = folder / line.id
                path.touch()
                os.utime(path)


def last(folder: Path, line: Line) -> datetime | None:
    """When it was; None when it is not known to have been."""
    try:
        return datetime.fromtimestamp((folder / line.id).stat().st_mtime, UTC)
    except OSError:
        return None
