"""A lock outlives nothing but its holder; a heartbeat is whole or absent."""

import fcntl
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from market_pipeline.supervision.heartbeat import Heartbeat, read_heartbeat
from market_pipeline.supervision.lock import AlreadyRunning, ProcessLock, holder

HOLD = """
import sys, pathlib
from market_pipeline.supervision.lock import ProcessLock
ProcessLock(pathlib.Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_copy_is_told_the_pid_and_kill_9_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "producer.lock"
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    try:
        assert first.stdout.readline() == "held\n"
        assert holder(path) == first.pid
        with pytest.raises(AlreadyRunning, match=f"producer is already running .pid {first.pid}") as caught:
            ProcessLock(path).acquire()
        assert caught.value.pid == first.pid
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate()
    assert holder(path) is None
    with ProcessLock(path):
        assert holder(path) is not None
    assert holder(path) is None


def test_who_only_looks_is_no_second_copy(tmp_path: Path) -> None:
    path = tmp_path / "producer.lock"
    looking = path.open("a")
    fcntl.flock(looking, fcntl.LOCK_EX)
    threading.Timer(0.05, looking.close).start()
    with ProcessLock(path):
        assert looking.closed


def test_no_lock_file_means_nobody(tmp_path: Path) -> None:
    assert holder(tmp_path / "absent.lock") is None


def test_a_heartbeat_tells_the_detail_and_stops(tmp_path: Path) -> None:
    path = tmp_path / "run" / "stream.heartbeat.json"
    heart = Heartbeat(path, "stream", lambda: {"lag": 3}).start()
    beat = read_heartbeat(path)
    heart.stop()
    assert beat is not None
    assert (beat.service, beat.detail) == ("stream", {"lag": 3})
    assert beat.age_s(time.time()) < 60
    assert list(path.parent.glob("*.tmp")) == []


@pytest.mark.parametrize("asked", [True, False])
def test_the_last_beat_of_a_program_says_whether_somebody_asked_it_to_end(tmp_path: Path, asked: bool) -> None:
    path = tmp_path / "stream.heartbeat.json"
    heart = Heartbeat(path, "stream", dict).start()
    heart.asked_to_end = asked
    heart.beat()
    running = read_heartbeat(path)
    heart.stop()
    last = read_heartbeat(path)
    assert running is not None
    assert last is not None
    assert (running.stopped, last.stopped) == (False, asked)


def test_a_failing_detail_still_beats(tmp_path: Path) -> None:
    path = tmp_path / "x.heartbeat.json"

    def broken() -> dict[str, int]:
        raise RuntimeError("no figures")

    Heartbeat(path, "x", broken).beat()
    beat = read_heartbeat(path)
    assert beat is not None
    assert beat.detail == {"error": "RuntimeError: no figures"}


@pytest.mark.parametrize("text", ["", "{", '{"service": "x"}', "[]", json.dumps({"service": 1, "unknown": 2})])
def test_half_written_or_foreign_files_are_no_heartbeat(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.heartbeat.json"
    path.write_text(text)
    assert read_heartbeat(path) is None
    assert read_heartbeat(tmp_path / "absent") is None


def test_a_clock_set_back_gives_no_negative_age(tmp_path: Path) -> None:
    path = tmp_path / "x.heartbeat.json"
    Heartbeat(path, "x", dict).beat()
    beat = read_heartbeat(path)
    assert beat is not None
    assert beat.age_s(0.0) == 0.0
