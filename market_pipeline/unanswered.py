"""What to do about a server that does not answer: it may not run, or run and hang."""

import socket
from collections.abc import Sequence

from market_pipeline.settings import Settings
from market_pipeline.which import where_flags

_CONNECT_WITHIN_S = 1.0


def listens(server: str) -> bool:
    """Whether a connection to ``host:port`` is taken, or waits for it: a stopped process's are, by its kernel, until
    there are too many."""
    host, _, port = server.strip().rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_WITHIN_S).close()
    except TimeoutError:
        return True
    except (OSError, ValueError):
        return False
    return True


def cure(settings: Settings, program: str, servers: Sequence[str]) -> str:
    """What a person should type, when ``program``, embedded and of the addresses ``servers``, does not answer."""
    flags = where_flags(settings)
    if any(map(listens, servers)):
        return f"it listens, so that it starts or hangs: if that lasts, `market-pipeline restart {program}{flags}`"
    return f"start it with `market-pipeline up{flags}`"
