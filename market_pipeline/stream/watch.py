"""What is looked at while the queries run: everything that ends a run of the stream or changes how it goes on."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql.streaming.query import StreamingQuery

from market_pipeline.settings import Settings
from market_pipeline.stream import position
from market_pipeline.stream.backlog import Backlog
from market_pipeline.stream.failure import StreamError, one_line
from market_pipeline.stream.gateway import Jvm
from market_pipeline.stream.progress import Progress
from market_pipeline.stream.stall import StallWatch, end_with_stacks
from market_pipeline.stream.visibility import Visibility

LOOK_EVERY_S = 1.0
logger = logging.getLogger("stream")


@dataclass(frozen=True)
class Watch:
    """Looks about once a second, and at once when ``wake`` is set."""

    settings: Settings
    jvm: Jvm
    progress: Progress
    visibility: Visibility
    wake: threading.Event

    def until_over(
        self,
        running: list[StreamingQuery],
        passing: list[StreamingQuery],
        enough: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Return when all of ``passing`` have ended well, or, without any, when real time can't keep up and batches
        have to; or when ``enough`` says so, which alone is True.

        Raises:
            StreamError: the stream can't go on.
        """
        names = {query: str(query.name) for query in (*running, *passing)}
        stall = StallWatch(self.settings.commit_interval_s, time.monotonic())
        backlog = Backlog(self.settings.catch_up_above, self.settings.catch_up_after_s)
        while True:
            self.wake.wait(LOOK_EVERY_S)
            self.wake.clear()
            if enough():
                return True
            heard = self.progress.heard()
            self._check_parts()
            for query, name in names.items():
                if name not in heard:
                    self._check_ended(query, name, may_end=query in passing)
            if passing and not any(query.isActive for query in passing):
                for query in passing:  # one that failed just now may not have been heard of yet
                    self._check_ended(query, names[query], may_end=True)
                return False
            lag = self.visibility.view.lag
            lasts = backlog.lasts(time.monotonic(), lag)
            if lasts and self.settings.stream_mode == "real-time" and not passing:
                logger.info("%d records wait: going over to batches", lag)
                return False
            stalled = stall.verdict(time.monotonic(), lag, self.visibility.advanced_at, heard)
            if stalled is not None:
                end_with_stacks(stalled, self.jvm.process, self.settings.paths.last_end("stream"))

    def _check_parts(self) -> None:
        dead = self.jvm.death()
        if dead is not None:
            raise StreamError(dead)
        if not self.visibility.alive:
            raise StreamError("the thread that watches visibility died")
        if self.visibility.view.beyond_end:
            raise position.made_anew(self.settings, str(self.visibility.view.beyond_end[0]))

    def _check_ended(self, query: StreamingQuery, name: str, *, may_end: bool) -> None:
        if query.isActive:
            return
        error = query.exception()
        if error is not None:
            position.check(self.settings)
            raise StreamError(f"query {name} failed: {one_line(str(error))}")
        if not may_end:
            raise StreamError(f"query {name} ended")
