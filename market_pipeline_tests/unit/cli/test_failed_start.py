"""``up`` and ``init`` when something gives way: one line with the cure, and nothing is left running."""

import contextlib
import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from cassandra import OperationTimedOut
from cassandra.cluster import NoHostAvailable
from click.testing import CliRunner

from market_pipeline.cli import lifecycle, main
from market_pipeline.local import preflight
from market_pipeline.local.ports import is_free, needed
from market_pipeline.local.preflight import StartError
from market_pipeline.local.programs import names
from market_pipeline.local.supervisor_client import SupervisorAway
from market_pipeline.local.supervisord import NAME as SUPERVISOR
from market_pipeline.settings import Settings
from market_pipeline.supervision.lock import holder
from market_pipeline_tests import reaper

FAILURES = [
    (SupervisorAway("TimeoutError: timed out"), "the supervisor does not do what it is told (TimeoutError: timed out)"),
    (PermissionError("/tmp/x belongs to another user: use a shorter --data-dir"), "use a shorter --data-dir"),
    (OSError(errno.ENOSPC, "No space left on device", "/data/run"), "/data/run: No space left on device: make room"),
    (NoHostAvailable("Unable to complete", {}), "Cassandra failed (NoHostAvailable: Unable to complete)"),
    (OperationTimedOut(), "Cassandra failed (OperationTimedOut"),
]


def test_servers_that_end_at_once_are_given_up_and_no_process_is_left(
    tmp_path: Path, free_port_base: Callable[[], int]
) -> None:
    """A whole ``up`` with its supervisor, and a Java of which a look says that it will do."""
    java = tmp_path / "java"
    (java / "bin").mkdir(parents=True)
    (java / "release").write_text('JAVA_VERSION="17.0.99"\n', encoding="utf-8")
    (java / "bin" / "java").write_text("#!/bin/sh\necho this Java ends at once >&2\nexit 3\n", encoding="utf-8")
    (java / "bin" / "java").chmod(0o755)
    settings = Settings.load(data_dir=tmp_path / "data", port_base=free_port_base(), feed="simulator", java_home=java)
    reaper.started(settings.data_dir)
    done = subprocess.run(
        [sys.executable, "-m", "market_pipeline.cli", "up", "--detach"],
        env=os.environ | dict(settings.environment()),
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    left = [process for process in psutil.process_iter() if str(tmp_path) in shown(process)]
    assert done.returncode == 1, done.stdout + done.stderr
    assert "stopping\n" in done.stdout
    *log, said = done.stderr.splitlines()
    assert re.match(r"error: (kafka|cassandra) does not start: it ended [45] times, exit status [13] at ", said)
    assert log[-1].endswith("this Java ends at once")
    assert left == []
    assert [name for name in (SUPERVISOR, *names(settings)) if holder(settings.paths.lock(name)) is not None] == []
    assert [port for port in needed(settings).values() if not is_free(port)] == []
    reaper.stopped(settings.data_dir)


def shown(process: psutil.Process) -> str:
    """A process's command and variables, as far as they can be had."""
    with contextlib.suppress(psutil.Error, OSError):
        if process.status() != psutil.STATUS_ZOMBIE:
            return " ".join([*process.cmdline(), *process.environ().values()])
    return ""


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What was stopped, told by what stands in for the stop."""
    done: list[str] = []
    monkeypatch.setattr(lifecycle, "bring_down", lambda settings, told: done.append("all"))
    monkeypatch.setenv("MARKET_PIPELINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return done


def failing_start(error: Exception, *, begun: bool) -> type:
    class Start:
        def __init__(self, *_: object) -> None:
            self.begun = begun

        def check(self) -> None: ...

        def run(self) -> None:
            raise error

    return Start


@pytest.mark.parametrize(("error", "says"), FAILURES)
def test_a_start_that_fails_is_told_in_one_line_and_stopped(
    monkeypatch: pytest.MonkeyPatch, stopped: list[str], error: Exception, says: str
) -> None:
    monkeypatch.setattr(lifecycle, "Start", failing_start(error, begun=True))
    done = CliRunner().invoke(main, ["up", "--feed", "simulator"])
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert says in done.output
    assert stopped == ["all"]


def test_a_start_that_began_nothing_stops_nothing(monkeypatch: pytest.MonkeyPatch, stopped: list[str]) -> None:
    monkeypatch.setattr(lifecycle, "Start", failing_start(PermissionError("no"), begun=False))
    assert CliRunner().invoke(main, ["up", "--feed", "simulator"]).exit_code == 1
    assert stopped == []


def test_a_recording_is_opened_once(
    monkeypatch: pytest.MonkeyPatch, stopped: list[str], tmp_path: Path, free_port_base: Callable[[], int]
) -> None:
    class Start(lifecycle.Start):
        def run(self) -> None:
            raise StartError("as far as that")

    opened: list[Path | None] = []
    monkeypatch.setattr(preflight, "check_playable", opened.append)
    monkeypatch.setattr(lifecycle, "Start", Start)
    monkeypatch.setenv("MARKET_PIPELINE_PORT_BASE", str(free_port_base()))
    done = CliRunner().invoke(main, ["up", "--replay-file", str(tmp_path / "trades.jsonl")])
    assert "as far as that" in done.output
    assert opened == [tmp_path / "trades.jsonl"]


def test_a_supervisor_that_fails_at_dagster_is_a_warning(monkeypatch: pytest.MonkeyPatch, stopped: list[str]) -> None:
    class Start(failing_start(RuntimeError(), begun=True)):  # type: ignore[misc]
        def run(self) -> None: ...

        def start_dagster(self) -> None:
            raise SupervisorAway("timed out")

    monkeypatch.setattr(lifecycle, "Start", Start)
    done = CliRunner().invoke(main, ["up", "--detach", "--feed", "simulator"])
    assert "warning: timed out" in done.output
    assert "Trades are received" in done.output
    assert stopped == []


def test_dagster_is_left_to_one_that_runs_elsewhere(monkeypatch: pytest.MonkeyPatch, stopped: list[str]) -> None:
    class Start(failing_start(RuntimeError(), begun=True)):  # type: ignore[misc]
        def run(self) -> None: ...

        def start_dagster(self) -> None:
            raise AssertionError("it was started")

    monkeypatch.setattr(lifecycle, "Start", Start)
    done = CliRunner().invoke(main, ["up", "--detach", "--feed", "simulator", "--no-dagster"])
    assert done.exit_code == 0, done.output


def test_init_tells_what_the_driver_raises(monkeypatch: pytest.MonkeyPatch, stopped: list[str]) -> None:
    def away(_: object) -> list[str]:
        raise NoHostAvailable("Unable to complete", {})

    monkeypatch.setattr(lifecycle, "ensure_topics", lambda settings: [])
    monkeypatch.setattr(lifecycle, "migrate", away)
    done = CliRunner().invoke(main, ["init"])
    assert done.exit_code == 1
    assert "error: Cassandra failed (NoHostAvailable: Unable to complete)" in done.output
