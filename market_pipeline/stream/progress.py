"""What Spark tells about its batches, gathered for the heartbeat."""

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar

from pyspark.java_gateway import ensure_callback_server_started
from pyspark.sql import SparkSession

RATE_OVER_S = 60.0
logger = logging.getLogger(__name__)


class Progress:
    """Figures of all queries since the start; may be read from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._queries: dict[str, dict[str, Any]] = {}
        self._offsets: dict[str, dict[int, int]] = {}
        self._heard: dict[str, float] = {}

    def queries(self) -> dict[str, dict[str, Any]]:
        """The newest batch of each query that had records: batch_id, input_rows, at (epoch seconds)."""
        with self._lock:
            return dict(self._queries)

    def offsets(self, query: str) -> dict[int, int]:
        """The next offset of each partition after the query's newest batch."""
        with self._lock:
            return dict(self._offsets.get(query, {}))

    def heard(self) -> dict[str, float]:
        """When each running query was last heard of, busy or idle (monotonic seconds)."""
        with self._lock:
            return dict(self._heard)

    def hear(self, name: str) -> None:
        with self._lock:
            self._heard[name] = self._clock()

    def forget(self, name: str) -> None:
        """The query has ended."""
        with self._lock:
            self._heard.pop(name, None)

    def record(self, name: str, progress: dict[str, Any]) -> None:
        """Take in one progress report, as Spark writes it in JSON."""
        self.hear(name)
        rows = int(progress.get("numInputRows", 0))
        with self._lock:
            if rows or name not in self._queries:
                self._queries[name] = {"batch_id": progress["batchId"], "input_rows": rows, "at": time.time()}
            for source in progress.get("sources", []):
                for offsets in (source.get("endOffset") or {}).values():
                    self._offsets[name] = {int(partition): int(offset) for partition, offset in offsets.items()}


class ProgressListener:
    """Hands Spark's events to a ``Progress``, and calls ``changed`` after each report of a query, and when a query has
    ended, for whatever reason.

    It is Spark's own interface and reads each report as one text. PySpark's class for this takes a report apart call
    by call and looks names up in every jar of the class path: 0.15 core at three batches a second.

    Nothing that goes wrong here may reach Spark.
    """

    class Java:
        implements: ClassVar = ["org.apache.spark.sql.streaming.PythonStreamingQueryListener"]

    def __init__(self, progress: Progress, changed: Callable[[], None]) -> None:
        self._progress = progress
        self._changed = changed
        self._names: dict[str, str] = {}

    def listen(self, spark: SparkSession) -> None:
        """Hear of all queries of the session from now on."""
        gateway: Any = spark.sparkContext._gateway  # noqa: SLF001
        ensure_callback_server_started(gateway)  # type: ignore[no-untyped-call]
        wrapped = gateway.jvm.org.apache.spark.sql.streaming.PythonStreamingQueryListenerWrapper(self)
        spark.streams._jsqm.addListener(wrapped)  # noqa: SLF001

    def onQueryStarted(self, event: Any) -> None:  # noqa: N802
        name = event.name() or "unnamed"
        self._names[event.runId().toString()] = name
        self._progress.hear(name)

    def onQueryProgress(self, event: Any) -> None:  # noqa: N802
        try:
            progress = json.loads(event.progress().json())
            self._progress.record(progress["name"] or "unnamed", progress)
            self._changed()
        except Exception:
            logger.exception("a progress report could not be read")

    def onQueryIdle(self, event: Any) -> None:  # noqa: N802
        name = self._names.get(event.runId().toString())
        if name is not None:
            self._progress.hear(name)

    def onQueryTerminated(self, event: Any) -> None:  # noqa: N802
        name = self._names.pop(event.runId().toString(), None)
        if name is not None:
            self._progress.forget(name)
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
