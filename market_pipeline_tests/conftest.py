"""Real servers for the tests, started once a session on ports and in a folder of their own."""

import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

from market_pipeline.broker.client import BrokerUnreachableError
from market_pipeline.broker.topics import ensure_topics
from market_pipeline.local import cassandra, kafka
from market_pipeline.local.jars import classpath
from market_pipeline.local.ports import all_of, is_free
from market_pipeline.settings import LOOPBACK, Settings, variable
from market_pipeline.store.cluster import StoreUnreachableError
from market_pipeline.store.migrate import migrate
from market_pipeline.supervision.lock import AlreadyRunning, ProcessLock
from market_pipeline_tests.kept_logs import pytest_runtest_makereport  # noqa: F401 - a hook of pytest's

# a test's neighbours may have all cores, and a failure on another machine has to be reproduced here
hypothesis.settings.register_profile("busy machine", deadline=None, print_blob=True)
hypothesis.settings.load_profile("busy machine")
START_TIMEOUT_S = 120
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """For ``preexec_fn``: the child is killed when the thread that started it ends, however it ends (Linux)."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _forget_this_machine() -> None:
    """A developer's own key, feed, servers or data dir must not reach a test, nor the import of one."""
    own = {variable(name) for name in Settings.model_fields} | {"DAGSTER_HOME"}
    for name in list(os.environ):
        if name in own or name.startswith(("MARKET_PIPELINE_", "FINNHUB_", "SLACK_")):
            del os.environ[name]


_forget_this_machine()
# Dagster's partitions are made when a test module is imported: tests speak of days since this one
os.environ |= {"MARKET_PIPELINE_DATA_DIR": os.devnull, "MARKET_PIPELINE_FIRST_DAY": "2021-01-01"}
# PySpark would take the first python3 on PATH for its workers
os.environ["PYSPARK_PYTHON"] = sys.executable


@pytest.fixture(autouse=True, scope="session")
def _no_settings_of_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No variable, and in the working folder no ``.env``, where the README tells users to put their key."""
    with pytest.MonkeyPatch.context() as patch:
        _forget_this_machine()
        patch.chdir(tmp_path_factory.mktemp("working-folder"))
        yield


@pytest.fixture(autouse=True, scope="session")
def _hears_signals() -> None:
    """Tests that were started in the background are deaf to SIGINT; Dagster then makes SIGTERM alike, and every program
    that a later test starts would be deaf to both."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def _short_lived_jvms() -> Iterator[None]:
    """Servers and Spark live for a minute here: what the optimising compiler costs they never get back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
        yield


@pytest.fixture
def refusing_port() -> Iterator[int]:
    """A port that refuses every connection: it is taken while the test runs, and nobody listens on it."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        port: int = taken.getsockname()[1]
        yield port


@pytest.fixture(scope="session")
def free_port_base() -> Iterator[Callable[[], int]]:
    """Gives, at each call, the first of 100 ports none of which a pipeline's server would find taken.

    They lie below the ports that the system gives to outgoing connections, and are ours until the session ends: a
    lock per base keeps two test sessions on one machine apart.
    """
    with contextlib.ExitStack() as locks:

        def choose() -> int:
            bases = list(range(10_000, _first_ephemeral_port() - 100, 100))
            random.shuffle(bases)
            for base in bases:
                lock = ProcessLock(
                    Path(tempfile.gettempdir()) / f"market-pipeline-test-ports-{os.getuid()}-{base}.lock"
                )
                try:
                    lock.acquire()
                except (AlreadyRunning, PermissionError):
                    continue
                if all(is_free(port) for port in all_of(base)):
                    locks.callback(lock.release)
                    return base
                lock.release()
            raise AssertionError("no 100 free ports on this machine")

        yield choose


def _first_ephemeral_port() -> int:
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
        return min(int(text.split()[0]), 32_768)
    except (OSError, ValueError):
        return 32_768


@pytest.fixture(scope="session")
def class_archive() -> Iterator[None]:
    """Streams and servers are started by the dozen: what makes a start cheaper is made first, while other tests run."""
    making = subprocess.Popen([sys.executable, "-m", "market_pipeline.local.class_archive"], preexec_fn=die_with_parent)
    yield
    _end(making)


@pytest.fixture(scope="session")
def servers(
    tmp_path_factory: pytest.TempPathFactory, free_port_base: Callable[[], int], class_archive: None
) -> Iterator[Settings]:
    """The settings of a running Kafka and Cassandra, with the pipeline's topics and tables in them.

    One for the whole session: a test keeps to symbols of its own.
    """
    settings = Settings.load(data_dir=tmp_path_factory.mktemp("pipeline"), port_base=free_port_base(), feed="simulator")
    for name in ("kafka", "cassandra"):
        classpath(name)
    with contextlib.ExitStack() as running:
        # from this thread, which lives as long as the session: see die_with_parent
        processes = {server: _start(settings, server) for server in ("kafka", "cassandra")}
        for process in processes.values():
            running.callback(_end, process)
        with ThreadPoolExecutor(2) as pool:
            steps = [
                pool.submit(lambda: (_wait(settings, processes, kafka), ensure_topics(settings))),
                pool.submit(lambda: (_wait(settings, processes, cassandra), migrate(settings))),
            ]
            for step in steps:
                step.result()
        yield settings


def _wait(settings: Settings, processes: dict[str, subprocess.Popen[bytes]], server: ModuleType) -> None:
    """Until it answers; a server that ended says why at once."""
    name = server.__name__.rpartition(".")[2]
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            server.wait_ready(settings, 1.0)
        except (BrokerUnreachableError, StoreUnreachableError):
            ended = processes[name].poll()
            if ended is None and time.monotonic() < deadline:
                continue
            why = "did not answer" if ended is None else f"ended with {ended}"
            raise AssertionError(f"{name} {why}\n{_logs(settings)}") from None
        return


def _start(settings: Settings, server: str) -> subprocess.Popen[bytes]:
    settings.paths.logs.mkdir(parents=True, exist_ok=True)
    with settings.paths.log(server).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "market_pipeline.local.launch", server],
            env={**os.environ, **settings.environment()},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _logs(settings: Settings) -> str:
    files = [*settings.paths.logs.glob("*.log")]
    return "\n".join(f"== {file.name}\n{file.read_text(errors='replace')[-3000:]}" for file in files)
