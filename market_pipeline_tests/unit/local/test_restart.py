"""When a program that was restarted counts as ready, and when waiting is of no use."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from market_pipeline.cli.restart import away
from market_pipeline.local import restart
from market_pipeline.local.preflight import StartError
from market_pipeline.local.processes import asleep
from market_pipeline.local.restart import ready, works
from market_pipeline.local.supervisor_client import ProcessState, SupervisorAway
from market_pipeline.local.supervisord import NAME as SUPERVISOR
from market_pipeline.settings import Settings
from market_pipeline.supervision.heartbeat import Beat, Heartbeat
from market_pipeline.supervision.lock import ProcessLock
from market_pipeline_tests.ending import ended
from market_pipeline_tests.waiting import wait_for

NOW = 1_000.0


def state(
    said: str = "RUNNING", name: str = "producer", pid: int | None = 42, exit_status: int | None = None
) -> ProcessState:
    return ProcessState(name, said, pid, NOW, None, exit_status)


def beat(pid: int = 42, age_s: float = 0.5) -> Beat:
    return Beat("producer", pid, NOW - 60, NOW - age_s)


def test_a_program_that_beats_is_ready_with_its_first_beat() -> None:
    assert ready(state(), beat(), NOW)
    assert not ready(state("STARTING"), beat(), NOW)
    assert not ready(state(), None, NOW)


def test_the_beat_of_the_process_before_does_not_count() -> None:
    assert not ready(state(), beat(pid=41), NOW)
    assert not ready(state(), beat(age_s=60), NOW)


def test_a_server_is_ready_when_the_supervisor_says_so() -> None:
    assert ready(state(name="kafka"), None, NOW)


@pytest.mark.parametrize(
    ("name", "detail", "is_over"),
    [
        ("producer", {}, True),
        ("stream", {}, False),
        ("stream", {"phase": "running", "works": False}, False),
        ("stream", {"phase": "running", "works": True}, True),
    ],
)
def test_a_person_waits_until_the_stream_has_written_trades(
    name: str, detail: dict[str, object], is_over: bool
) -> None:
    told = replace(beat(), detail=detail)
    assert ready(state(name=name), told, NOW)
    assert works(state(name=name), told, NOW) is is_over
    assert not works(state("STARTING", name), told, NOW)


def test_a_restart_lasts_until_what_is_wanted(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    beats = [Beat("stream", os.getpid(), now, now, {"works": works}) for works in (False, False, True)]
    told = iter([None, *beats])
    monkeypatch.setattr(restart, "read_heartbeat", lambda _: next(told))
    monkeypatch.setattr(
        restart, "SupervisorClient", Supervisor(state(name="stream"), state(name="stream", pid=os.getpid()))
    )
    assert restart.restart(settings, "stream", until=works).after == os.getpid()
    assert next(told, None) is None


def test_waiting_ends_where_it_is_of_no_use() -> None:
    assert restart.ended(state("STARTING"), 1) is None
    assert restart.ended(state("BACKOFF", pid=None), 1) is None
    assert restart.ended(state("EXITED", pid=None, exit_status=1), 1) is None
    assert restart.ended(state("FATAL", pid=None), 2) == "it ends again and again"
    assert "77, which a new start cannot mend" in str(restart.ended(state("EXITED", pid=None, exit_status=77), 1))
    assert restart.ended(state("STARTING"), 4) == "it ended 3 times"


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    with ProcessLock(Settings.load(data_dir=tmp_path).paths.lock(SUPERVISOR)):
        yield Settings.load(data_dir=tmp_path)


class Supervisor:
    """Stands in for the client: gives one answer after the other, and the last for ever."""

    def __init__(self, *answers: ProcessState | Exception) -> None:
        self._answers = list(answers)

    def __call__(self, _: Settings) -> "Supervisor":
        return self

    def processes(self) -> dict[str, ProcessState]:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return {answer.name: answer}

    def stop(self, name: str, within_s: float) -> None: ...
    def start(self, name: str) -> None: ...


def test_a_restart_waits_for_the_new_process(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    Heartbeat(settings.paths.heartbeat("producer"), "producer", dict).beat()
    answers = (state(pid=41), state("STARTING"), SupervisorAway("busy"), state(pid=os.getpid()))
    monkeypatch.setattr(restart, "SupervisorClient", Supervisor(*answers))
    done = restart.restart(settings, "producer")
    assert (done.before, done.after) == (41, os.getpid())


def test_a_program_that_hangs_is_killed_for_it_would_hear_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ended(subprocess.Popen(["sleep", "600"])) as hung:
        os.kill(hung.pid, signal.SIGSTOP)
        now = time.time()
        beats = iter([Beat("producer", hung.pid, now - 90, now - 30), *[Beat("producer", os.getpid(), now, now)] * 9])
        monkeypatch.setattr(restart, "read_heartbeat", lambda path: next(beats))
        supervisor = Supervisor(state(pid=hung.pid), state("STARTING", pid=None), state(pid=os.getpid()))
        monkeypatch.setattr(supervisor, "stop", None)  # asking politely would be of no use
        monkeypatch.setattr(restart, "SupervisorClient", supervisor)
        assert restart.restart(settings, "producer").after == os.getpid()
        assert hung.wait(10) == -signal.SIGKILL


def test_who_beats_or_never_did_does_not_hang() -> None:
    assert not restart.hangs("producer", 42, beat(), NOW)
    assert restart.hangs("producer", 42, beat(age_s=60), NOW)
    assert not restart.hangs("producer", 43, beat(age_s=60), NOW)  # a younger process
    assert not restart.hangs("producer", 42, None, NOW)
    assert not restart.hangs("kafka", 42, beat(age_s=60), NOW)
    unresponsive = replace(beat(), detail={"jvm": {"pid": 43, "silent_s": 5.0, "doing": "stopped"}})
    assert restart.hangs("producer", 42, unresponsive, NOW)


def test_what_a_hung_program_started_is_killed_with_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that is stopped leaves a JVM that goes on writing."""
    starts_one = "import subprocess, sys; print(subprocess.Popen(['sleep', '600']).pid, flush=True); sys.stdin.read()"
    program = [sys.executable, "-c", starts_one]
    with ended(subprocess.Popen(program, stdout=subprocess.PIPE, stdin=subprocess.PIPE)) as hung:
        assert hung.stdout is not None
        with ended(psutil.Process(int(hung.stdout.readline()))) as child:
            os.kill(hung.pid, signal.SIGSTOP)
            wait_for(lambda: asleep(hung.pid), "the stop")
            Heartbeat(settings.paths.heartbeat("producer"), "producer", dict).beat()
            supervisor = Supervisor(state(pid=hung.pid), state("STARTING", pid=None), state(pid=os.getpid()))
            monkeypatch.setattr(restart, "SupervisorClient", supervisor)
            assert restart.restart(settings, "producer").killed
            assert hung.wait(10) == -signal.SIGKILL
            wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the child's end")


def test_a_restart_that_fails_tells_the_end_of_the_log(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.paths.logs.mkdir(parents=True)
    settings.paths.log("producer").write_text("the key is refused\n")
    monkeypatch.setattr(restart, "SupervisorClient", Supervisor(state(), state("EXITED", pid=None, exit_status=77)))
    with pytest.raises(StartError, match="producer does not start: it ended with 77") as caught:
        restart.restart(settings, "producer")
    assert "the key is refused" in caught.value.log


def test_a_restart_has_an_end(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restart, "SupervisorClient", Supervisor(state(), state("BACKOFF", pid=None)))
    times = iter((0.0, 1.0, restart.READY_WITHIN_S + 1))
    with pytest.raises(StartError, match="not ready within 180 s"):
        restart.restart(settings, "producer", lambda: next(times))


def test_a_supervisor_that_is_gone_ends_the_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restart, "SupervisorClient", Supervisor(state(), SupervisorAway("refused")))
    with pytest.raises(SupervisorAway):
        restart.restart(Settings.load(data_dir=tmp_path), "producer")


def test_a_supervisor_that_hangs_is_not_taken_for_none(settings: Settings, tmp_path: Path) -> None:
    assert "did not do it (timed out)" in away(settings, SupervisorAway("timed out"))
    assert "nothing runs on" in away(Settings.load(data_dir=tmp_path / "other"), SupervisorAway("timed out"))
