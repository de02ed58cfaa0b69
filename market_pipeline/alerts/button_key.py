"""The key that signs the buttons of Slack's messages: random, of one data dir, and nothing else's."""

import os
import secrets
from pathlib import Path

LENGTH = 32


def button_key(path: Path) -> bytes:
    """The key in this file, which is made where there is none, for the owner's eyes only.

    Raises:
        OSError: it can't be read or made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    if not path.exists():
        try:
            with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(LENGTH))
            os.link(scratch, path)  # whole, and of two processes at once the first one's
        except FileExistsError:
            pass
        finally:
            scratch.unlink(missing_ok=True)
    return path.read_bytes()
