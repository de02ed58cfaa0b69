"""What to do about a server that does not answer: it may not run, or run and hang."""

import fcntl
import re
import socket
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from market_pipeline.settings import Settings
from market_pipeline.which import where_flags

_CONNECT_WITHIN_S = 1.0
_SUPERVISOR = "supervisord"
_LOG_END = 64 * 1024
_RESTARTED_WITHIN_S = 600.0
"""Of an end that is longer ago, the supervisor has made a new start since."""
_EVENT = re.compile(r"^(?P<at>\S+ \d\d:\d\d:\d\d),\d+ \w+ (?P<what>exited|gave up): (?P<name>\S+) ", re.MULTILINE)


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
    """What a person should type, when ``program``, embedded and of the addresses ``servers``, does not answer; or that
    its supervisor restarts it already."""
    flags = where_flags(settings)
    if any(map(listens, servers)):
        return f"it listens, so that it starts or hangs: if that lasts, `market-pipeline restart {program}{flags}`"
    if not _is_held(settings.paths.lock(_SUPERVISOR)):
        return start_it(settings)
    ended_at, given_up = _ended(settings, program)
    if given_up:
        return f"its supervisor gave it up: see `market-pipeline logs {program}{flags}`, then `… restart {program}`"
    if ended_at is None or time.time() - ended_at > _RESTARTED_WITHIN_S:
        return f"it is being started: see `market-pipeline status{flags}`"
    return f"it is being restarted ({max(0.0, time.time() - ended_at):.0f} s ago): see `market-pipeline status{flags}`"


def start_it(settings: Settings) -> str:
    """What a person should type where nothing runs."""
    return f"start it with `market-pipeline up{where_flags(settings)}`"


def _is_held(lock: Path) -> bool:
    """Whether the process of this lock lives."""
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _ended(settings: Settings, program: str) -> tuple[float | None, bool]:
    """When it ended last by itself (epoch seconds), and whether it was given up, by the supervisor's log."""
    try:
        log = settings.paths.log(_SUPERVISOR).read_text(encoding="utf-8", errors="replace")[-_LOG_END:]
    except OSError:
        return None, False
    found = [each for each in _EVENT.finditer(log) if each["name"] == program]
    ended = [each for each in found if each["what"] == "exited"]
    if not ended:
        return None, False
    at = datetime.strptime(ended[-1]["at"], "%Y-%m-%d %H:%M:%S").astimezone()  # supervisord writes local time
    return at.timestamp(), found[-1]["what"] == "gave up"
