"""What Spark reports of the query, kept for the heartbeat."""

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from pyspark.java_gateway import ensure_callback_server_started
from pyspark.sql import SparkSession

RATE_OVER_S = 60.0
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Epoch:
    """What the query committed at once: its number, how many records, and when (epoch seconds)."""

    batch_id: int
    input_rows: int
    at: float


class Progress:
    """What the query has done since the start; may be read from any thread.

    Attributes:
        epoch: the newest that had records, or the first; None before it.
        reported_at: when Spark last reported of the running query, busy or idle (monotonic seconds); None while none
            runs.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._offsets: dict[int, int] = {}
        self.epoch: Epoch | None = None
        self.reported_at: float | None = None

    @property
    def offsets(self) -> dict[int, int]:
        """The next offset of each partition after the newest commit."""
        with self._lock:
            return dict(self._offsets)

    def keep_alive(self) -> None:
        """The query runs."""
        self.reported_at = self._clock()

    def end(self) -> None:
        """The query has ended."""
        self.reported_at = None

    def record(self, progress: dict[str, Any]) -> None:
        """Take in one progress report, as Spark writes it in JSON."""
        self.keep_alive()
        rows = int(progress.get("numInputRows", 0))
        with self._lock:
            if rows or self.epoch is None:
                self.epoch = Epoch(progress["batchId"], rows, time.time())
            for source in progress.get("sources", []):
                for offsets in (source.get("endOffset") or {}).values():
                    self._offsets = {int(partition): int(offset) for partition, offset in offsets.items()}


class ProgressListener:
    """Hands Spark's events to a ``Progress``, and calls ``changed`` after each report, and when the query has ended,
    for whatever reason.

    It is Spark's own interface and reads each report as one text. PySpark's class for this takes a report apart call
    by call and looks names up in every jar of the class path: 0.15 core at three batches a second.

    Nothing that goes wrong here may reach Spark.
    """

    class Java:
        implements: ClassVar = ["org.apache.spark.sql.streaming.PythonStreamingQueryListener"]

    def __init__(self, progress: Progress, changed: Callable[[], None]) -> None:
        self._progress = progress
        self._changed = changed

    def listen(self, spark: SparkSession) -> None:
        """Receive the events of the session's query from now on; it has one at a time."""
        gateway: Any = spark.sparkContext._gateway  # noqa: SLF001
        ensure_callback_server_started(gateway)  # type: ignore[no-untyped-call]
        wrapped = gateway.jvm.org.apache.spark.sql.streaming.PythonStreamingQueryListenerWrapper(self)
        spark.streams._jsqm.addListener(wrapped)  # noqa: SLF001

    def onQueryStarted(self, _event: Any) -> None:  # noqa: N802
        self._progress.keep_alive()

    def onQueryProgress(self, event: Any) -> None:  # noqa: N802
        try:
            self._progress.record(json.loads(event.progress().json()))
            self._changed()
        except Exception:
            logger.exception("a progress report could not be read")

    def onQueryIdle(self, _event: Any) -> None:  # noqa: N802
        self._progress.keep_alive()

    def onQueryTerminated(self, _event: Any) -> None:  # noqa: N802
        self._progress.end()
        self._changed()


class Rate:
    """Records a second over the last minute, from a counter that only grows."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, over_s: float = RATE_OVER_S) -> None:
        self._clock = clock
        self._over_s = over_s
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, total: int) -> None:
        now = self._clock()
        self._seen.append((now, total))
        while len(self._seen) > 2 and now - self._seen[0][0] > self._over_s:
            self._seen.popleft()

    @property
    def per_second(self) -> float:
        if len(self._seen) < 2:
            return 0.0
        (start, first), (end, last) = self._seen[0], self._seen[-1]
        return max(0.0, (last - first) / (end - start)) if end > start else 0.0
