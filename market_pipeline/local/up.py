"""Brings the pipeline up: the servers, what feeds them, and Dagster last, so that trades can be queried soon."""

import os
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Protocol

from market_pipeline.broker.client import BrokerUnreachableError
from market_pipeline.broker.topics import ensure_topics
from market_pipeline.interpreter import PYTHON
from market_pipeline.local import cassandra, first_trades, jars, kafka, preflight, supervisord, unix_sockets
from market_pipeline.local.first_trades import Seen
from market_pipeline.local.java import java_home
from market_pipeline.local.jvm import write_if_changed
from market_pipeline.local.logs import log_files, tail
from market_pipeline.local.preflight import StartError
from market_pipeline.local.programs import DAGSTER, FINAL_EXITS, names, programs
from market_pipeline.local.supervisor_client import SupervisorAway, SupervisorClient
from market_pipeline.local.supervisor_log import read_histories
from market_pipeline.local.webserver import daemon_works, serves_page
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import StoreUnreachableError
from market_pipeline.store.migrate import migrate
from market_pipeline.supervision.lock import AlreadyRunning, ProcessLock, holder
from market_pipeline.webserver import access_token

SERVER_WITHIN_S = 300.0
TRADES_WITHIN_S = 300.0
DAGSTER_WITHIN_S = 300.0
GIVEN_UP_AFTER_RESTARTS = 3
POLL_S = 0.1
DAGSTER_POLL_S = 0.5


class Progress(Protocol):
    """Who is told how the start goes. Seconds are since the start."""

    def downloading(self, done: int, total: int) -> None: ...
    def starting(self, names: list[str]) -> None: ...
    def ready(self, name: str, seconds: float) -> None: ...
    def trades(self, seen: Seen, seconds: float) -> None: ...


class Start:
    """One attempt to bring a pipeline up."""

    def __init__(self, settings: Settings, progress: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._progress = progress
        self._clock = clock
        self._began = clock()
        self._abandoned = threading.Event()
        self._dagster_since = time.time()
        self.begun = False
        """Whether anything was started, so that a start that fails has something to stop."""

    def check(self) -> None:
        """See what would keep it from starting, before anything is started.

        Raises:
            StartError, NoJava, UnusablePath: the first thing found.
        """
        preflight.check(self._settings)

    def run(self) -> None:
        """Start the path of the trades, which ``check`` found nothing against, and return when they can be queried.

        Raises:
            StartError: something does not start; what did is still running.
            JarError: a download failed; nothing was started.
        """
        settings = self._settings
        preflight.claim(settings)
        lock = _start_lock(settings)
        try:
            self._download()
            self._began = self._clock()
            since_us = time.time_ns() // 1000
            self._start_supervisor()
            self._start_path_of_trades()
            self._wait_for_trades(since_us)
        finally:
            lock.release()

    def _seconds(self) -> float:
        return self._clock() - self._began

    def _download(self) -> None:
        sets = ["spark", "ecj"]
        sets += ["kafka"] if self._settings.embedded_kafka else []
        sets += ["cassandra"] if self._settings.embedded_cassandra else []
        jars.fetch(jars.locked(*sets), self._progress.downloading)

    def _start_supervisor(self) -> None:
        settings = self._settings
        if settings.dagster:
            self._make_token()
        write_if_changed(settings.paths.port_base, f"{settings.port_base}\n")
        if settings.dagster:
            settings.paths.without_dagster.unlink(missing_ok=True)
        else:
            settings.paths.without_dagster.touch()
        supervisord.write_configuration(settings, programs(settings), os.environ)
        environment = supervisord.environment_for(settings, os.environ, java_home(settings))
        output = settings.paths.logs / "supervisord.out"
        self.begun = True
        with output.open("wb") as log:
            process = subprocess.Popen(
                [*PYTHON, "-m", "market_pipeline.local.launch", supervisord.NAME],
                cwd=settings.data_dir,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is for us alone: we stop the others in order
            )
        deadline = self._clock() + SERVER_WITHIN_S
        while True:
            try:
                SupervisorClient(settings).pid()
            except SupervisorAway as error:
                if process.poll() is not None:
                    raise StartError("the supervisor does not start", tail(output)) from None
                if self._clock() > deadline:
                    raise StartError(f"the supervisor does not answer ({error})", tail(output)) from None
                time.sleep(POLL_S / 2)
            else:
                return

    def _make_token(self) -> None:
        """A new token for Dagster's page, which outlives restarts of the webserver; a user's own is left alone."""
        if self._settings.dagster_token_file is None:
            access_token.renew(self._settings.dagster_token_path)
        else:
            access_token.ensure(self._settings.dagster_token_path)

    def _start(self, *wanted: str) -> None:
        run_here = [name for name in wanted if name in names(self._settings)]
        self._progress.starting(run_here)
        client = SupervisorClient(self._settings)
        for name in run_here:
            client.start(name)

    def _start_path_of_trades(self) -> None:
        """Kafka and Cassandra at once, each given its topics or tables as soon as it answers; then what needs them.

        The stream takes as long to start as they do and waits for them itself, so it is started with them, except
        the very first time, when its topics and tables are still to be made.
        """
        settled = self._settings.paths.checkpoints.exists()
        self._start("kafka", "cassandra", *(["stream"] if settled else []))
        with ThreadPoolExecutor(2) as pool:
            steps = [pool.submit(self._kafka), pool.submit(self._cassandra)]
            try:
                _first_failure(steps)
            except BaseException:
                self._abandoned.set()  # the other one need not be waited for
                raise
        if not settled:
            self._start("stream")

    def _kafka(self) -> None:
        self._wait_for("kafka", lambda: kafka.wait_ready(self._settings, 1.0), self._settings.embedded_kafka)
        if not self._abandoned.is_set():
            ensure_topics(self._settings)
            self._start("feed-server", "producer")

    def _cassandra(self) -> None:
        self._wait_for(
            "cassandra", lambda: cassandra.wait_ready(self._settings, 1.0), self._settings.embedded_cassandra
        )
        if not self._abandoned.is_set():
            migrate(self._settings)

    def _wait_for(self, name: str, answer: Callable[[], None], ours: bool) -> None:
        deadline = self._clock() + SERVER_WITHIN_S
        while not self._abandoned.is_set():
            try:
                answer()
            except (BrokerUnreachableError, StoreUnreachableError) as error:
                if ours:
                    self._raise_if_given_up(name)
                if self._clock() > deadline:
                    why = f"it does not answer within {SERVER_WITHIN_S:.0f} s" if ours else str(error)
                    raise self._blame(name, why) from None
            else:
                self._progress.ready(name, self._seconds())
                return

    def _wait_for_trades(self, since_us: int) -> None:
        deadline = self._clock() + TRADES_WITHIN_S
        with first_trades.Watch(self._settings, since_us) as watch:
            told: set[str] = set()
            advance = watch.advance()
            while True:
                if (newer := watch.advance()) != advance:
                    advance, deadline = newer, self._clock() + TRADES_WITHIN_S
                for name in watch.working() - told:
                    told.add(name)
                    self._progress.ready(name, self._seconds())
                seen = watch.look()
                if seen is not None:
                    self._progress.trades(seen, self._seconds())
                    return
                if watch.clock_is_slow():
                    raise StartError(
                        "no trade can be queried: all bear times ahead of this machine's clock, and are dead letters. "
                        "Set the clock by NTP, and start again"
                    )
                for name in ("feed-server", "producer", "stream"):
                    self._raise_if_given_up(name)
                if self._clock() > deadline:
                    guilty = next((name for name in ("producer", "stream") if name not in told), "stream")
                    raise self._blame(
                        guilty, f"no trade could be queried, nor did the stream get on, for {TRADES_WITHIN_S:.0f} s"
                    )
                time.sleep(POLL_S)

    def start_dagster(self) -> None:
        """Let the supervisor start Dagster's programs, all at once: trades don't wait for them, and need not."""
        self._dagster_since = time.time()
        self._start(*DAGSTER)

    def wait_for_dagster(self) -> None:
        """Return when its page can be opened and its daemon works.

        Raises:
            StartError: one of them does not start. Everything else goes on.
        """
        settings, since = self._settings, self._dagster_since
        deadline = self._clock() + DAGSTER_WITHIN_S
        awaited: dict[str, Callable[[], bool]] = {
            "dagster-code-server": lambda: unix_sockets.accepts(unix_sockets.code_server(settings)),
            "dagster-webserver": lambda: serves_page(settings),
            "dagster-daemon": lambda: daemon_works(settings, since),
        }
        while awaited:
            for name, answers in list(awaited.items()):
                if answers():
                    del awaited[name]
                    self._progress.ready(name, self._seconds())
                else:
                    self._raise_if_given_up(name)
            if awaited and self._clock() > deadline:
                raise self._blame(next(iter(awaited)), f"it does not answer within {DAGSTER_WITHIN_S:.0f} s")
            time.sleep(DAGSTER_POLL_S)

    def _raise_if_given_up(self, name: str) -> None:
        """A program that keeps ending will not become ready by waiting.

        Raises:
            StartError: it was given up, with the end of its log.
        """
        settings = self._settings
        try:
            state = SupervisorClient(settings).processes().get(name)
        except SupervisorAway:
            if holder(settings.paths.lock(supervisord.NAME)) is None:
                raise StartError("the supervisor ended during the start: was `market-pipeline down` called?") from None
            return
        if state is None:
            return
        history = read_histories(settings).get(name)
        restarts = history.restarts if history else 0
        last = (history.last_exit if history else None) or state.error
        if state.state == "EXITED" and state.exit_status in FINAL_EXITS and state.exit_status != 0:
            raise self._blame(name, f"{last}, which a new start cannot mend")
        if state.state == "FATAL" or restarts >= GIVEN_UP_AFTER_RESTARTS:
            raise self._blame(name, f"it ended {restarts + 1} times, {last}")

    def _blame(self, name: str, why: str) -> StartError:
        logs = [tail(file) for file in log_files(self._settings, name)]
        return StartError(f"{name} does not start: {why}", "\n".join(log for log in logs if log))


def _start_lock(settings: Settings) -> ProcessLock:
    try:
        return ProcessLock(settings.paths.lock("up")).acquire()
    except AlreadyRunning as error:
        raise StartError(f"another `market-pipeline up` (pid {error.pid}) is starting {settings.data_dir}") from None


def _first_failure(steps: list["Future[None]"]) -> None:
    """Wait for all, or raise the first error without waiting for the others."""
    done, _ = wait(steps, return_when=FIRST_EXCEPTION)
    for step in done:
        step.result()
