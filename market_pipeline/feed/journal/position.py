"""The file that tells up to which frame everything has been delivered: replaced atomically, or absent."""

import json
from pathlib import Path

FILE_NAME = "confirmed.json"


def load_position(directory: Path) -> int:
    """Receive time (epoch µs) of the last confirmed frame; 0 when nothing was confirmed or the file is damaged.

    After 0 everything that isn't compressed is delivered again, which is safe: the same frames have the same ids.
    """
    try:
        value = json.loads((directory / FILE_NAME).read_text(encoding="utf-8"))["received_at"]
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    return value if isinstance(value, int) else 0


def save_position(directory: Path, received_at: int) -> None:
    """Replace the file.

    Raises:
        OSError: the disk is full, say; the old file stays.
    """
    scratch = directory / f"{FILE_NAME}.tmp"
    scratch.write_text(json.dumps({"received_at": received_at}), encoding="utf-8")
    scratch.replace(directory / FILE_NAME)
