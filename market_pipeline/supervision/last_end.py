"""Why a program ended itself, in a file that outlives it: its next start has another heartbeat."""

import contextlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class LastEnd:
    """The newest end of a program by its own decision: when (epoch seconds), and why in one line."""

    at: float
    why: str


def keep_last_end(path: Path, why: str) -> None:
    """Keep why the program ends now. What can't be written is left out: nothing may keep it from ending."""
    with contextlib.suppress(OSError):
        scratch = path.with_suffix(".tmp")
        scratch.write_text(json.dumps(asdict(LastEnd(time.time(), why))), encoding="utf-8")
        scratch.replace(path)


def read_last_end(path: Path) -> LastEnd | None:
    """The newest; None when there is none, or the file is not one."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return LastEnd(float(told["at"]), str(told["why"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
