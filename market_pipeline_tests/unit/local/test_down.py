"""What `down` finds when the supervisor is dead: also programs too young to hold their lock."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from market_pipeline.cli import main
from market_pipeline.local import down
from market_pipeline.local.down import bring_down
from market_pipeline.local.processes import holds
from market_pipeline.local.programs import Program
from market_pipeline.local.supervisor_client import SupervisorAway, SupervisorClient
from market_pipeline.local.supervisord import CONFIGURATION, write_configuration
from market_pipeline.settings import Settings
from market_pipeline.supervision.lock import ProcessLock
from market_pipeline_tests.ending import ended
from market_pipeline_tests.waiting import wait_for

LOADS_FOR_EVER = (sys.executable, "-c", "import signal; signal.pause()")


@pytest.mark.parametrize("folder", ["data", "100% of data"])
def test_down_ends_a_program_that_holds_no_lock_yet(tmp_path: Path, folder: str) -> None:
    settings = Settings.load(data_dir=tmp_path / folder, feed="simulator")
    beginner = Program("dagster-daemon", LOADS_FOR_EVER, stop_within_s=5, stop_stage=1, up_after_s=0)
    configuration = write_configuration(settings, [beginner], {})
    command = [sys.executable, "-m", "market_pipeline.local.supervise", "--configuration", str(configuration)]
    client = SupervisorClient(settings)

    def started() -> bool:
        try:
            client.start(beginner.name)
        except SupervisorAway:
            return False
        return True

    with ended(subprocess.Popen(command, cwd=settings.data_dir, stdin=subprocess.DEVNULL)) as supervisor:
        wait_for(started, "the supervisor to answer")
        pid = wait_for(lambda: client.processes()[beginner.name].pid, "the program to be started")
        with ended(psutil.Process(pid)) as program:
            wait_for(lambda: program.environ().get("SUPERVISOR_SERVER_URL"), "it to be the program and no fork")
            supervisor.send_signal(signal.SIGKILL)
            supervisor.wait(10)

            stopped = bring_down(settings)
            assert [(each.name, each.pid, each.killed) for each in stopped] == [("dagster-daemon", pid, True)]
            assert not program.is_running() or program.status() == psutil.STATUS_ZOMBIE
    assert bring_down(settings) == []


def test_down_ends_a_copy_of_a_dead_supervisor_that_is_no_program_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between fork and exec it has the supervisor's command line, and none of a program's variables."""
    settings = Settings.load(data_dir=tmp_path / "data")
    command = [*LOADS_FOR_EVER, str(settings.paths.config / CONFIGURATION)]
    monkeypatch.setattr(down, "supervisor_command", lambda file: [*LOADS_FOR_EVER, str(file)])
    with ended(subprocess.Popen(LOADS_FOR_EVER)) as other, ended(subprocess.Popen(command)) as copy:
        wait_for(lambda: psutil.Process(copy.pid).cmdline() == command, "the copy")
        assert [(each.pid, each.killed) for each in bring_down(settings)] == [(copy.pid, True)]
        assert copy.wait(10) == -signal.SIGKILL
        assert other.poll() is None


def test_down_leaves_a_process_alone_whose_pid_stands_in_the_lock_of_another_container(tmp_path: Path) -> None:
    """There the pid is the holder's, here it is somebody else's."""
    settings = Settings.load(data_dir=tmp_path / "data")
    lock = settings.paths.lock("producer")
    with ended(subprocess.Popen(LOADS_FOR_EVER, stdin=subprocess.DEVNULL)) as other, ProcessLock(lock):
        lock.write_text(str(other.pid))
        assert bring_down(settings) == []
        assert other.poll() is None
        found = CliRunner().invoke(main, ["down"], env={"MARKET_PIPELINE_DATA_DIR": str(settings.data_dir)})
        assert found.exit_code == 1
        assert "producer on " in found.stderr
        assert "can't be stopped from here" in found.stderr
        assert other.poll() is None


def test_who_holds_a_lock_is_known_by_the_file_and_not_by_the_pid(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    assert not holds(os.getpid(), lock)
    with ProcessLock(lock):
        assert holds(os.getpid(), lock)
        (tmp_path / "link").symlink_to(tmp_path)
        assert holds(os.getpid(), tmp_path / "link" / "a.lock")
        assert not holds(os.getppid(), lock)
    assert not holds(os.getpid(), lock)
