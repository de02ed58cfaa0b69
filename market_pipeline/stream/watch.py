"""What is watched while the query runs: everything that ends a run of the stream."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql.streaming.query import StreamingQuery

from market_pipeline.settings import Settings
from market_pipeline.stream import position
from market_pipeline.stream.failure import StreamError, one_line
from market_pipeline.stream.gateway import Jvm
from market_pipeline.stream.progress import Progress
from market_pipeline.stream.stall import StallWatch, end_with_stacks
from market_pipeline.stream.visibility import Visibility

LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Watch:
    """Looks about once a second, and at once when ``wake`` is set."""

    settings: Settings
    jvm: Jvm
    progress: Progress
    visibility: Visibility
    wake: threading.Event

    def until(self, query: StreamingQuery, done: Callable[[], bool]) -> None:
        """Return when ``done`` says so.

        Raises:
            StreamError: the query ended before, or the stream can't go on.
        """
        stall = StallWatch(self.settings.commit_interval_s, time.monotonic())
        while not done():
            self._check_parts()
            if not query.isActive:
                raise self._ended(query)
            reported_at, lag = self.progress.reported_at, self.visibility.view.lag
            stalled = stall.verdict(time.monotonic(), lag, self.visibility.advanced_at, reported_at)
            if stalled is not None:
                end_with_stacks(stalled, self.jvm.process, self.settings.paths.last_end("stream"))
            self.wake.wait(LOOK_EVERY_S)
            self.wake.clear()

    def over(self, query: StreamingQuery) -> None:
        """Return when a query that passes over what is there has ended well.

        Raises:
            StreamError: it failed, or the stream can't go on.
        """
        self.until(query, lambda: not query.isActive)
        if query.exception() is not None:
            raise self._ended(query)
        query.awaitTermination()  # only then may another start with its name and its checkpoint

    def _check_parts(self) -> None:
        dead = self.jvm.death()
        if dead is not None:
            raise StreamError(dead)
        if not self.visibility.alive:
            raise StreamError("the thread that watches visibility died")
        if self.visibility.view.beyond_end:
            raise position.made_anew(self.settings, str(self.visibility.view.beyond_end[0]))

    def _ended(self, query: StreamingQuery) -> StreamError:
        error = query.exception()
        if error is None:
            return StreamError("the query ended")
        position.check(self.settings)
        return StreamError(f"the query failed: {one_line(str(error))}")
