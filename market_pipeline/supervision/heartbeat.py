"""What a long-running program tells about itself: a small JSON file, replaced atomically by a timer of its own.

The timer is apart from the flow of messages, so that an idle program beats and a hung process doesn't.
"""

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BEAT_EVERY_S = 1.0
STALE_AFTER_S = 10.0
"""A program that beats each second and is silent for so long hangs or is gone."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Beat:
    """The newest heartbeat of a program. Times are epoch seconds.

    Attributes:
        service: the program's name.
        pid: its process.
        started_at: when the process began.
        beat_at: when the file was written.
        detail: the program's own figures.
        stopped: whether it is the last one, of a program that was asked to end (SIGTERM or SIGINT) and did.
    """

    service: str
    pid: int
    started_at: float
    beat_at: float
    detail: Mapping[str, Any] = field(default_factory=dict)
    stopped: bool = False

    def age_s(self, now: float) -> float:
        return max(0.0, now - self.beat_at)

    def is_stale(self, now: float) -> bool:
        return self.age_s(now) > STALE_AFTER_S


class Heartbeat:
    """Writes a beat each second from a thread until stopped.

    Args:
        path: the file, usually ``settings.paths.heartbeat(service)``.
        service: the program's name.
        detail: called for each beat; what it returns must be JSON. A failure in it is logged, never raised, and the
            beat then bears ``{"error": …}``.

    Attributes:
        asked_to_end: set it before ``stop`` when somebody asked the program to end: the last beat says so, and a
            program that runs no more was stopped on purpose.
    """

    def __init__(self, path: Path, service: str, detail: Callable[[], Mapping[str, Any]]) -> None:
        self._path = path
        self._service = service
        self._detail = detail
        self._started_at = time.time()
        self.asked_to_end = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> "Heartbeat":
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.beat()
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the timer and write a last beat."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        with contextlib.suppress(OSError):
            self.beat()

    def beat(self) -> None:
        try:
            detail = dict(self._detail())
        except Exception as error:
            logger.exception("heartbeat of %s has no detail", self._service)
            detail = {"error": f"{type(error).__name__}: {error}"}
        record = {
            "service": self._service,
            "pid": os.getpid(),
            "started_at": self._started_at,
            "beat_at": time.time(),
            "detail": detail,
            "stopped": self._stopped.is_set() and self.asked_to_end,
        }
        scratch = self._path.with_suffix(f".{os.getpid()}.tmp")
        scratch.write_text(json.dumps(record), encoding="utf-8")
        scratch.replace(self._path)

    def _run(self) -> None:
        failing = False
        while not self._stopped.wait(BEAT_EVERY_S):
            try:
                self.beat()
                failing = False
            except OSError as error:
                if not failing:  # a full disk lasts; it is told once
                    logger.error("heartbeat of %s can't be written: %s", self._service, error)
                failing = True


def read_heartbeat(path: Path) -> Beat | None:
    """The newest beat; None when there is none or the file is not one (half-written by something else, say)."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return Beat(**record)
    except (OSError, ValueError, TypeError):
        return None
