"""The program ``stream``: Kafka's trades into Cassandra's tables, for good.

It ends by itself when something is wrong that a restart mends (a query failed, nothing moves, the JVM died) or that a
person must see (offsets that Kafka no longer has), with one line and a status other than 0. The checkpoints have all
that the next start needs.
"""

import faulthandler
import json
import logging
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any, NoReturn

from cassandra.cluster import Session as Cassandra

from market_pipeline.broker.client import BrokerUnreachableError
from market_pipeline.broker.offsets import end_offsets
from market_pipeline.broker.topics import TopicError, wait_for_kafka
from market_pipeline.local import class_archive
from market_pipeline.local.jars import JarError
from market_pipeline.local.java import NoJava
from market_pipeline.local.unix_sockets import UnsafeFolder
from market_pipeline.private_process import keep_private
from market_pipeline.settings import Settings, SettingsError
from market_pipeline.store.cluster import StoreUnreachableError, connect_when_up
from market_pipeline.stream import checkpoints, position, slots
from market_pipeline.stream.failure import StreamError, one_line
from market_pipeline.stream.gateway import GatewayError
from market_pipeline.stream.progress import Epoch, Progress, ProgressListener
from market_pipeline.stream.query import Sink, checkpoint, continuous_query, query_over_gap
from market_pipeline.stream.queryable import View
from market_pipeline.stream.responsiveness import Responsiveness, Unresponsive
from market_pipeline.stream.session import SecretError, Session, open_session
from market_pipeline.stream.stall import end_with_stacks
from market_pipeline.stream.visibility import Visibility
from market_pipeline.stream.watch import Watch
from market_pipeline.supervision.heartbeat import Heartbeat
from market_pipeline.supervision.last_end import keep_last_end
from market_pipeline.supervision.lock import EXIT_ALREADY_RUNNING, AlreadyRunning, ProcessLock
from market_pipeline.supervision.log_lines import start_logging
from market_pipeline.supervision.termination import on_termination
from market_pipeline.writer.compiled import CompileError

NAME = "stream"
UNRESPONSIVE = "unresponsive"
"""The phase of a stream whose JVM does not respond."""
SERVERS_TIMEOUT_S = 120.0
EXIT_FAILED = 1
MENDABLE = (
    *(BrokerUnreachableError, TopicError, StoreUnreachableError, GatewayError, JarError, NoJava, SettingsError),
    *(SecretError, UnsafeFolder, CompileError),
)
logger = logging.getLogger(NAME)


class Application:
    """One run of the stream.

    It is ended from a thread of its own: when SIGTERM comes, the main thread may be in a call into the JVM that takes
    longer than the supervisor waits. Whatever is under way is in the checkpoints, or is done again from them.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._phase = "starting"
        self._wake = threading.Event()
        self._ends = threading.Lock()
        self._progress = Progress()
        self._session: Session | None = None
        self._visibility: Visibility | None = None
        self._responsiveness: Responsiveness | None = None
        self._figures: dict[str, int] = {}
        self._heartbeat = Heartbeat(settings.paths.heartbeat(NAME), NAME, self.detail)

    def start(self) -> None:
        """Begin to beat, and to end on SIGTERM and SIGINT."""
        self._heartbeat.start()
        on_termination(lambda: self.end(0))

    def end(self, status: int, why: str | None = None) -> NoReturn:
        """End the JVM and this process at once, for whoever comes first: another thread waits here for that end.

        Args:
            status: of the process.
            why: one line for the log and for the next start, None when somebody asked for the end.
        """
        self._ends.acquire()
        if why is None:
            logger.info("stopped")
        else:
            logger.error("%s", why)
            keep_last_end(self._settings.paths.last_end(NAME), why)
        logging.disable()  # callbacks of the JVM that is killed now have nothing to say any more
        self._heartbeat.asked_to_end = why is None
        self._heartbeat.stop()
        if self._responsiveness is not None:
            self._responsiveness.stop()
        if self._session is not None:
            self._session.jvm.kill()
        sys.stderr.flush()
        # not sys.exit: threads of py4j and of the drivers would be waited for
        os._exit(status)

    def run(self) -> NoReturn:
        """Run until ``end``.

        Raises:
            StreamError: it can't go on.
            any of ``MENDABLE``: something that it needs isn't there.
        """
        settings = self._settings
        with ExitStack() as connection:
            pool = ThreadPoolExecutor(2, "servers")
            place = pool.submit(self._find_place)
            opened = pool.submit(connection.enter_context, connect_when_up(settings, SERVERS_TIMEOUT_S))
            pool.shutdown(wait=False)  # what fails first is reported at once, and ends the process
            self._session = open_session(settings, settings.paths.run / "spark-stream")
            partitions, lost = place.result()
            cassandra = opened.result()
            self._keep_running(partitions, lost, cassandra)
        raise AssertionError("it runs for good")

    def _keep_running(self, partitions: int, lost: bool, cassandra: Cassandra) -> None:
        """Start the query and watch it.

        Args:
            partitions: that the topic has.
            lost: whether Kafka lacks some of what the query wants next, which the settings accept.
            cassandra: a session for what is queryable.
        """
        settings = self._settings
        assert self._session is not None
        threading.Thread(target=self._watch_jvm, name="jvm", daemon=True).start()
        self._responsiveness = self._watch_responses(self._session)
        spark = self._session.spark
        sink = Sink(spark, settings, partitions)
        continuous = continuous_query(spark, settings, sink)  # analysed while a cluster starts its executors

        def changed() -> None:
            self._figures = json.loads(sink.metrics())
            self._wake.set()

        ProgressListener(self._progress, changed).listen(spark)
        with Visibility(settings, cassandra, lambda: self._progress.offsets) as self._visibility:
            slots.check(settings, partitions, lambda: slots.granted_by(spark))
            watch = Watch(settings, self._session.jvm, self._progress, self._visibility, self._wake)
            if lost:
                watch.over(query_over_gap(spark, settings, sink).start())
            query = continuous.start()
            self._phase = "running"
            logger.info("running in %s mode", settings.stream_mode)
            if settings.local_spark:  # a container forgets an archive, and has its drivers elsewhere
                watch.until(query, self._trades_flow)
                class_archive.make_in_background(settings, self._session.java)
            watch.until(query, lambda: False)

    def detail(self) -> dict[str, Any]:
        """The figures of the heartbeat."""
        visibility, progress = self._visibility, self._progress
        view = visibility.view if visibility else None
        epoch = progress.epoch
        hung = self._responsiveness.unresponsive if self._responsiveness is not None else None
        return {
            "mode": self._settings.stream_mode,
            "master": self._settings.master,
            "phase": UNRESPONSIVE if hung is not None else self._phase,
            "works": hung is None and self._works(view, epoch),
            "jvm": None if hung is None else {"pid": hung.pid, "silent_s": round(hung.for_s, 1), "doing": hung.doing},
            "lag": view.lag if view else None,
            "newest_event_ts": view.newest_ts if view else None,
            "newest_event_age_s": view.newest_age_s(time.time()) if view else None,
            "oldest_waiting_age_s": view.waiting_age_s(time.time()) if view else None,
            "slowest_partition": view.slowest.partition if view and view.slowest else None,
            "input_rate": view.input_rate if view else 0.0,
            "last_progress_at": epoch.at if epoch else None,
            "writer": self._figures,
            "offsets": dict(view.offsets or {}) if view else {},
            "epoch": asdict(epoch) if epoch else None,
        }

    def _works(self, view: View | None, epoch: Epoch | None) -> bool:
        """Whether this process has made trades queryable, or none waits: it committed some, which Spark reports twice
        a minute in real time, or the newest one is there."""
        if self._phase != "running":
            return False
        committed = epoch is not None and epoch.input_rows > 0
        return committed or (view is not None and (view.lag == 0 or view.newest_received_at is not None))

    def dead_jvm(self, patience_s: float = 0.0) -> str | None:
        """How the JVM died, or None while it lives or was not started."""
        return self._session.jvm.death(patience_s) if self._session is not None else None

    def _find_place(self) -> tuple[int, bool]:
        """Wait for Kafka, and see that the stream can go on where it was.

        Returns:
            how many partitions the topic has, and whether it lacks some of what the query wants next.
        """
        settings = self._settings
        wait_for_kafka(settings, SERVERS_TIMEOUT_S)
        checkpoints.forget_half_written(checkpoint(settings))
        lost = position.check(settings)
        return len(end_offsets(settings, settings.topic)), bool(lost)

    def _watch_responses(self, session: Session) -> Responsiveness:
        """End this process, and with it the JVM, when the JVM responds no more: the supervisor starts both anew."""
        jvm = session.jvm

        def give_up(hung: Unresponsive) -> None:
            end_with_stacks(str(hung), jvm.process, self._settings.paths.last_end(NAME))

        heap_gib = self._settings.spark_driver_memory_mb / 1024
        return Responsiveness(jvm.process.pid, jvm.ping(), heap_gib, give_up).start()

    def _watch_jvm(self) -> None:
        assert self._session is not None
        self._session.jvm.process.wait()
        self._wake.set()

    def _trades_flow(self) -> bool:
        return self._visibility is not None and self._visibility.view.flows(time.time())


def main() -> NoReturn:
    keep_private()
    # py4j tells of a connection that it opens anew, with a stack trace, through the root logger
    start_logging(lambda record: record.name != "root" or record.levelno > logging.INFO)
    for quiet in ("py4j", "cassandra", "market_pipeline.broker.librdkafka", "market_pipeline.stream.librdkafka"):
        logging.getLogger(quiet).setLevel(logging.CRITICAL)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    try:
        settings = Settings.load_for(NAME)
        ProcessLock(settings.paths.lock(NAME)).acquire()
    except SettingsError as error:
        logger.error("%s", error)
        sys.exit(EXIT_FAILED)
    except AlreadyRunning as error:
        logger.error("%s", error)
        sys.exit(EXIT_ALREADY_RUNNING)
    application = Application(settings)
    application.start()
    try:
        application.run()
    except (StreamError, *MENDABLE) as error:
        application.end(EXIT_FAILED, one_line(str(error)))
    except Exception as error:
        dead = application.dead_jvm(patience_s=2)
        if dead is None:
            logger.exception("the stream failed")
        application.end(EXIT_FAILED, dead or f"{type(error).__name__}: {one_line(str(error))}")


if __name__ == "__main__":
    main()
