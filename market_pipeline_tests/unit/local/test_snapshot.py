"""The figures of ``status``, from heartbeats, the supervisor and the locks."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from cassandra import OperationTimedOut
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionException

from market_pipeline.broker.topics import TopicError
from market_pipeline.local.processes import GONE, NOT_SEEN, asleep, process_status
from market_pipeline.local.snapshot import feed_status, gather, programs_alone, stream_status, within
from market_pipeline.local.supervisor_client import ProcessState, state_of
from market_pipeline.local.supervisor_log import History
from market_pipeline.settings import LOOPBACK, Settings
from market_pipeline.supervision import servers
from market_pipeline.supervision.heartbeat import Beat, Heartbeat
from market_pipeline.supervision.lock import ProcessLock
from market_pipeline.supervision.servers import KafkaStatus
from market_pipeline_tests.waiting import wait_for

NOW = 1_000_000.0
PID = 1


def beat(age_s: float = 1.0, **detail: object) -> Beat:
    return Beat("x", PID, NOW - 100, NOW - age_s, detail)


def test_the_feed_from_a_producer_that_lives() -> None:
    times = {"last_received_at": NOW - 2, "last_trade_at": NOW - 60}
    feed = feed_status(beat(feed="simulator", connected=True, symbols=8, seen=3, received=70, **times), PID, NOW)
    assert (feed.name, feed.connected, feed.symbols, feed.seen, feed.received) == ("simulator", True, 8, 3, 70)
    assert (feed.last_received_age_s, feed.last_trade_age_s) == (2.0, 60.0)
    assert feed.silent_s is None


@pytest.mark.parametrize(("age_s", "pid"), [(60.0, PID), (1.0, None), (1.0, PID + 1)])
def test_a_producer_that_hangs_or_is_gone_is_not_connected(age_s: float, pid: int | None) -> None:
    feed = feed_status(beat(age_s, feed="simulator", connected=True), pid, NOW)
    assert not feed.connected
    assert feed.silent_s == age_s


def test_what_is_wrong_with_the_feed_is_handed_on() -> None:
    said = beat(
        journal_error="No space left on device",
        left_out=["B"],
        rejected_symbols={"aapl": "Invalid symbol aapl"},
        gaps_waiting=2,
        gap_since=NOW - 60,
        gap_reason="disk",
    )
    feed = feed_status(said, PID, NOW)
    assert (feed.journal_error, feed.left_out, feed.gaps_waiting) == ("No space left on device", ["B"], 2)
    assert feed.rejected_symbols == {"aapl": "Invalid symbol aapl"}
    assert (feed.gap_since, feed.gap_reason) == (NOW - 60, "disk")


def test_a_stream_that_works_says_what_it_does() -> None:
    stream = stream_status(beat(1.0, phase="running", lag=4, input_rate=50.0, master="spark://m:7077"), PID, NOW)
    assert stream.master == "spark://m:7077"
    assert (stream.phase, stream.lag, stream.input_rate, stream.silent_s) == ("running", 4, 50.0, None)


@pytest.mark.parametrize(("stored", "newest"), [(0.02, 0.02), (90.0, 1.5), (None, 1.5)])
def test_the_newest_trade_is_as_old_as_cassandra_says_when_that_is_newer(stored: float | None, newest: float) -> None:
    assert stream_status(beat(1.0, newest_event_age_s=0.5), PID, NOW, stored).newest_event_age_s == newest


def test_what_waits_grows_older_with_the_heartbeat() -> None:
    stream = stream_status(beat(1.0, lag=9, oldest_waiting_age_s=41.0, slowest_partition=1), PID, NOW)
    assert (stream.oldest_waiting_age_s, stream.slowest_partition) == (42.0, 1)
    assert stream_status(beat(1.0, lag=0, oldest_waiting_age_s=0.0), PID, NOW).oldest_waiting_age_s == 0.0
    assert stream_status(beat(30.0, lag=9, oldest_waiting_age_s=41.0), PID, NOW).oldest_waiting_age_s is None


def test_trades_of_a_stream_that_never_ran_have_an_age_all_the_same() -> None:
    assert stream_status(None, None, NOW, 7.5).newest_event_age_s == 7.5


@pytest.mark.parametrize(("age_s", "pid"), [(30.0, PID), (1.0, None), (1.0, PID + 1)])
def test_of_a_stream_that_hangs_or_is_gone_nobody_knows_what_it_does(age_s: float, pid: int | None) -> None:
    said = beat(age_s, phase="running", newest_event_age_s=0.5, last_progress_at=NOW - 31, lag=4, input_rate=50.0)
    stream = stream_status(said, pid, NOW)
    assert (stream.phase, stream.lag, stream.input_rate) == (None, None, None)
    assert stream.silent_s == age_s
    assert stream.newest_event_age_s == age_s + 0.5
    assert stream.last_progress_age_s == 31.0


def test_no_word_from_anyone() -> None:
    assert feed_status(None, None, NOW).received is None
    assert stream_status(None, None, NOW).lag is None


def test_a_missing_topic_is_told_as_such(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    def absent(*_: object) -> dict[int, int]:
        raise TopicError("there is no topic trades_raw")

    monkeypatch.setattr(servers, "begin_offsets", absent)
    with socket.create_server((LOOPBACK, settings.ports.kafka)):
        assert servers.kafka_status(settings) == KafkaStatus(live=True, fault="there is no topic trades_raw")


@pytest.mark.parametrize("error", [NoHostAvailable("away", {}), OperationTimedOut(), ConnectionException("broken")])
def test_a_cassandra_that_goes_away_while_it_is_asked_is_no_crash(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, error: Exception
) -> None:
    @contextmanager
    def away(*_: object, **__: object) -> Iterator[object]:
        raise error
        yield

    monkeypatch.setattr(servers, "connect", away)
    assert not servers.cassandra_status(settings).live


def test_a_running_process() -> None:
    state = ProcessState("producer", "RUNNING", os.getpid(), NOW - 90, None)
    found = process_status(state, History(2, "terminated by SIGKILL at …"), beat(0.5), None, NOW)
    assert (found.pid, found.state, found.uptime_s, found.restarts) == (os.getpid(), "RUNNING", 90.0, 2)
    assert found.last_error == "terminated by SIGKILL at …"
    assert found.rss_mb is not None
    assert found.rss_mb > 1
    assert found.beat_age_s == 0.5


def test_a_process_that_a_dead_supervisor_left() -> None:
    found = process_status(None, History(), None, os.getpid(), time.time())
    assert (found.state, found.pid) == ("UNSUPERVISED", os.getpid())
    assert found.uptime_s is not None


@pytest.mark.parametrize("last", [None, beat(30.0)])
def test_without_a_supervisor_what_does_not_run_is_down_and_not_stopped_on_purpose(last: Beat | None) -> None:
    assert process_status(None, History(), last, None, NOW).state == "DOWN"


def test_without_a_supervisor_the_last_heartbeat_says_that_a_program_was_stopped_on_purpose() -> None:
    assert process_status(None, History(), replace(beat(30.0), stopped=True), None, NOW).state == "STOPPED"


def test_the_supervisors_answer_for_a_fatal_program() -> None:
    info = {
        "name": "stream",
        "statename": "FATAL",
        "pid": 0,
        "start": 5,
        "spawnerr": "Exited too quickly",
        "exitstatus": 1,
    }
    assert state_of(info) == ProcessState("stream", "FATAL", None, None, "Exited too quickly", 1)


def test_what_does_not_answer_is_left_out() -> None:
    released = threading.Event()
    try:
        answers = within(0.2, {"quick": lambda: 1, "hung": released.wait})
        assert answers == {"quick": 1, "hung": None}
    finally:
        released.set()  # only now: what hung was not waited for


@pytest.fixture
def settings(tmp_path: Path, free_port_base: object) -> Settings:
    return Settings.load(data_dir=tmp_path, port_base=free_port_base(), feed="simulator")  # type: ignore[operator]


def test_a_look_at_nothing_says_so(settings: Settings) -> None:
    snapshot = gather(settings)
    assert not snapshot.anything_runs
    assert not snapshot.kafka.live
    assert not snapshot.cassandra.live


def test_the_json_has_what_is_promised(settings: Settings) -> None:
    told = json.loads(json.dumps(gather(settings).as_json()))
    for name in ("kafka", "cassandra", "producer", "stream", "dagster-webserver", "dagster-daemon"):
        assert {"pid", "state", "restarts", "uptime_s"} <= set(told["processes"][name])
    assert {"connected", "symbols", "seen", "received", "last_received_age_s"} <= set(told["feed"])
    assert {"lag", "newest_event_age_s", "input_rate"} <= set(told["stream"])


def test_a_program_without_a_supervisor_is_seen_by_its_lock(settings: Settings) -> None:
    with ProcessLock(settings.paths.lock("producer")):
        snapshot = gather(settings)
    assert snapshot.anything_runs
    assert snapshot.processes["producer"].pid == os.getpid()


def test_a_stream_whose_jvm_does_not_respond_says_since_when_and_what_it_does() -> None:
    jvm = {"pid": 43, "silent_s": 5.0, "doing": "stopped"}
    stream = stream_status(beat(1.0, phase="unresponsive", lag=4, jvm=jvm), PID, NOW)
    assert (stream.phase, stream.lag) == ("unresponsive", 4)
    assert (stream.jvm_pid, stream.jvm_silent_s, stream.jvm_doing) == (43, 6.0, "stopped")
    assert stream_status(beat(1.0, phase="running", jvm=None), PID, NOW).jvm_silent_s is None


def test_the_look_at_programs_has_what_the_stream_says(settings: Settings) -> None:
    with ProcessLock(settings.paths.lock("stream")):
        jvm = {"pid": 43, "silent_s": 5.0, "doing": "stopped"}
        Heartbeat(settings.paths.heartbeat("stream"), "stream", lambda: {"lag": 4, "jvm": jvm}).beat()
        stream = programs_alone(settings).stream
    assert (stream.lag, stream.jvm_doing) == (4, "stopped")


@pytest.fixture
def container(tmp_path: Path, refusing_port: int) -> Settings:
    """As in a container: a shared data dir without a supervisor, and servers elsewhere."""
    away = f"127.0.0.1:{refusing_port}"
    return Settings.load(
        data_dir=tmp_path,
        kafka_bootstrap_servers=away,
        cassandra_contact_points="127.0.0.1",
        cassandra_port=refusing_port,
    )


def test_in_a_container_services_are_seen_by_heartbeat_and_lock_and_pids_mean_nothing(container: Settings) -> None:
    container.paths.run.mkdir(parents=True)
    for name in ("producer", "stream"):
        Heartbeat(container.paths.heartbeat(name), name, dict).beat()
    stopped = subprocess.Popen(["sleep", "600"])
    try:
        os.kill(stopped.pid, signal.SIGSTOP)
        wait_for(lambda: asleep(stopped.pid), "the stop")
        with ProcessLock(container.paths.lock("producer")) as lock:
            lock.path.write_text(str(stopped.pid))  # the same number in another container
            snapshot = gather(container)
    finally:
        stopped.kill()
        stopped.wait()
    assert snapshot.elsewhere
    producer, stream = snapshot.processes["producer"], snapshot.processes["stream"]
    assert (producer.state, producer.asleep, producer.pid) == ("RUNNING", False, stopped.pid)
    assert (stream.state, stream.pid) == (GONE, None)
    assert snapshot.processes["dagster-webserver"].state == NOT_SEEN
    assert snapshot.anything_runs


@pytest.mark.parametrize(("asked", "state"), [(True, "STOPPED"), (False, GONE)])
def test_in_a_container_who_was_asked_to_end_is_stopped(container: Settings, asked: bool, state: str) -> None:
    heart = Heartbeat(container.paths.heartbeat("producer"), "producer", dict).start()
    heart.asked_to_end = asked
    heart.stop()
    assert gather(container).processes["producer"].state == state


def test_in_a_container_without_anything_nothing_is_said_to_be_stopped(container: Settings) -> None:
    snapshot = gather(container)
    assert not snapshot.anything_runs
    assert {each.state for each in snapshot.processes.values()} == {NOT_SEEN}
