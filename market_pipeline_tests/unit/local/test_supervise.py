"""supervisord on a full disk: it stays, reads on, and keeps what it has to keep."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from supervisor.loggers import getLogger

from market_pipeline.local.programs import programs
from market_pipeline.local.supervise import ForgivingLog
from market_pipeline.local.supervisor_client import SupervisorClient
from market_pipeline.local.supervisord import environment_for, socket_path, write_configuration
from market_pipeline.settings import Settings
from market_pipeline.supervision.heartbeat import read_heartbeat
from market_pipeline_tests.ending import ended
from market_pipeline_tests.waiting import wait_for

FULL = Path("/dev/full")
TALKS = "import pathlib, sys; print('x' * 300_000, flush=True); pathlib.Path(sys.argv[1]).touch(); sys.exit(1)"
"""More than a pipe holds: it gets to its end only if somebody reads."""

needs_full = pytest.mark.skipif(not FULL.exists(), reason="/dev/full is Linux's")


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One that keeps a program which talks and ends, again and again, with every log on a full disk."""
    (tmp_path / "logs").mkdir()
    for name in ("supervisord", "talker"):
        (tmp_path / "logs" / f"{name}.log").symlink_to(FULL)
    configuration = tmp_path / "supervisord.conf"
    configuration.write_text(f"""\
[supervisord]
nodaemon=true
silent=true
logfile={tmp_path}/logs/supervisord.log
pidfile={tmp_path}/pid

[program:talker]
command={sys.executable} -c "{TALKS}" {tmp_path}/said
startsecs=0
autorestart=true
redirect_stderr=true
stdout_logfile={tmp_path}/logs/talker.log
""")
    command = [sys.executable, "-m", "market_pipeline.local.supervise", "--configuration", str(configuration)]
    with (
        FULL.open("wb") as full,
        ended(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=full, stderr=full)) as process,
    ):
        yield process
        process.terminate()
        process.wait(30)


@needs_full
def test_a_full_disk_does_not_end_the_supervisor_nor_hang_what_it_keeps(
    supervisor: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    said = tmp_path / "said"
    for what in ("the program to get to its end", "it to be started again"):
        wait_for(said.exists, what)
        said.unlink()
    assert supervisor.poll() is None


def test_a_log_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    log = ForgivingLog(str(file), maxBytes=50)
    log.setFormat("%(message)s")
    logger = getLogger()
    logger.handlers = [log]
    logger.info("x" * 60)  # the next file is begun at once
    log.stream.close()  # as a change of files that failed leaves it
    logger.info("lost\n")
    logger.info("told\n")
    log.close()
    assert file.read_text() == "told\n"
    assert (tmp_path / "a.log.1").read_text() == "x" * 60


def test_it_hears_a_signal(tmp_path: Path) -> None:
    configuration = tmp_path / "supervisord.conf"
    configuration.write_text(f"[supervisord]\nnodaemon=true\nlogfile={tmp_path}/log\npidfile={tmp_path}/pid\n")
    command = [sys.executable, "-m", "market_pipeline.local.supervise", "--configuration", str(configuration)]
    with ended(subprocess.Popen(command, stdout=subprocess.DEVNULL)) as process:
        wait_for((tmp_path / "pid").exists, "it to run")
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(30) == 0


def test_it_runs_in_a_data_dir_whose_name_means_something_to_it(
    tmp_path: Path, free_port_base: Callable[[], int]
) -> None:
    settings = Settings.load(data_dir=tmp_path / "50% %(ENV_HOME)s [x]", port_base=free_port_base(), feed="simulator")
    write_configuration(settings, programs(settings), {})
    command = [sys.executable, "-m", "market_pipeline.local.launch", "supervisord"]
    environment = environment_for(settings, os.environ, Path("/java"))
    with ended(subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)) as process:
        client = SupervisorClient(settings)
        wait_for(socket_path(settings).exists, "the supervisor to listen")
        client.start("feed-server")
        wait_for(lambda: read_heartbeat(settings.paths.heartbeat("feed-server")) is not None, "the feed to beat")
        assert client.processes()["feed-server"].is_up
        assert settings.paths.log("feed-server").exists()
        client.shutdown()
        assert process.wait(30) == 0
