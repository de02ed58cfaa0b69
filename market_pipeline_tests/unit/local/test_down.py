"""What `down` finds when the supervisor is dead: also programs too young to hold their lock."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from market_pipeline.local.down import bring_down
from market_pipeline.local.programs import Program
from market_pipeline.local.supervisor_client import SupervisorAway, SupervisorClient
from market_pipeline.local.supervisord import write_configuration
from market_pipeline.settings import Settings
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
            supervisor.send_signal(signal.SIGKILL)
            supervisor.wait(10)

            stopped = bring_down(settings)
            assert [(each.name, each.pid, each.killed) for each in stopped] == [("dagster-daemon", pid, True)]
            assert not program.is_running() or program.status() == psutil.STATUS_ZOMBIE
    assert bring_down(settings) == []
