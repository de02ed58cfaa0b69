"""What only this user can read."""

import json
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import market_pipeline
from market_pipeline.local.preflight import claim
from market_pipeline.local.programs import programs
from market_pipeline.local.supervisord import environment_for, write_configuration
from market_pipeline.private_process import root_warning
from market_pipeline.settings import Settings
from market_pipeline.supervision.heartbeat import read_heartbeat
from market_pipeline_tests.waiting import wait_for


@pytest.fixture
def _open_umask() -> Iterator[None]:
    """As a shell of most systems has it, or a careless one."""
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(root: Path) -> list[str]:
    """What is not this user's alone, below a folder and the folder itself; of a link only what it leads to counts."""
    found = [root, *root.rglob("*")]
    return [str(each) for each in found if not each.is_symlink() and stat.S_IMODE(each.lstat().st_mode) & 0o077]


def free_to_dump() -> None:
    """For ``preexec_fn``: many shells, this one perhaps, forbid core dumps anyway, and then nobody would miss our own
    limit."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


ENTRANCES: dict[str, list[str]] = {
    "producer": ["-m", "market_pipeline.feed.producer"],
    "feed-server": ["-m", "market_pipeline.feed.server"],
}


@pytest.mark.usefixtures("_open_umask")
@pytest.mark.parametrize("name", ENTRANCES)
def test_a_program_keeps_its_files_to_itself_and_leaves_no_memory_behind(
    name: str, tmp_path: Path, free_port_base: Callable[[], int]
) -> None:
    settings = Settings.load(data_dir=tmp_path / "data", port_base=free_port_base(), feed="simulator")
    process = subprocess.Popen(
        [sys.executable, *ENTRANCES[name]], env=os.environ | settings.environment(), preexec_fn=free_to_dump
    )
    try:
        wait_for(lambda: read_heartbeat(settings.paths.heartbeat(name)) is not None, "a heartbeat")
        assert resource.prlimit(process.pid, resource.RLIMIT_CORE)[0] == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert len(list(settings.data_dir.rglob("*"))) > 2
    assert open_to_others(settings.data_dir) == []


PROGRAMS = (
    "alerts.slack_listener",
    "deploy.health",
    "deploy.kafka_tools",
    "deploy.spark_status",
    "feed.producer",
    "feed.server",
    "local.launch",
    "stream.application",
    "webserver.__main__",
)
"""What is started as ``python -m market_pipeline.…``, and ends at once with a wrong setting or without arguments."""
OTHERS = {
    "deploy.executor_options": "prints a class path while an image is built",
    "local.jars": "a developer's, who downloads public files",
    "local.supervise": "started by launch alone",
    "runbook.page": "a developer's, who writes a page of the repository",
    "local.class_archive": "makes a file of public classes, which other users of an image may read",
    "writer.compiled": "makes a jar of public sources, which other users of an image may read",
}
WAYS_IN = {
    "definitions": "from market_pipeline.definitions import defs; defs()",
    "cli": "from market_pipeline.cli import main; main(['status'], standalone_mode=False)",
    **{
        name: f"runpy.run_module('market_pipeline.{name}', run_name='__main__')"
        for name in PROGRAMS
    },
}  # fmt: skip


@pytest.mark.usefixtures("_open_umask")
@pytest.mark.parametrize("name", WAYS_IN)
def test_every_way_in_makes_private_files(name: str, tmp_path: Path) -> None:
    """Of a command, of what the supervisor or a container starts, and of whatever loads the definitions."""
    code = "\n".join(
        (
            "import json, os, resource, runpy, sys",
            f"sys.argv[:] = ['{name}']",
            f"try:\n    {WAYS_IN[name]}\nexcept SystemExit: pass",
            "open('made', 'w').close()",
            "print(json.dumps(resource.getrlimit(resource.RLIMIT_CORE)[0]))",
        )
    )
    wrong = {"MARKET_PIPELINE_RATE": "none"} if name in PROGRAMS else {}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"MARKET_PIPELINE_DATA_DIR": str(tmp_path / "data")} | wrong,
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=free_to_dump,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == 0
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o600


def test_no_program_is_forgotten_among_the_ways_in() -> None:
    package = Path(market_pipeline.__file__).parent
    started = {
        ".".join(file.relative_to(package).with_suffix("").parts)
        for file in package.rglob("*.py")
        if "\nif __name__ == " in file.read_text(encoding="utf-8")
    }
    assert started == {*PROGRAMS, *OTHERS}


def test_a_data_dir_that_others_see_is_closed_at_the_next_start(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path / "data", feed="simulator")
    for folder in (settings.data_dir, settings.paths.logs, settings.paths.run):
        folder.mkdir()
        folder.chmod(0o755)
    claim(settings)
    write_configuration(settings, programs(settings), {})
    assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (settings.paths.logs, settings.paths.run)} == {0o700}


def test_copies_of_secrets_that_a_killed_pipeline_left_go_with_the_next_start(tmp_path: Path) -> None:
    own = {"FINNHUB_API_KEY": "canary-key"}
    with_key = Settings.load(data_dir=tmp_path, finnhub_api_key="canary-key", slack_token="canary-token")
    write_configuration(with_key, programs(with_key), own)  # and nothing ended it
    assert any("canary" in file.read_text() for file in tmp_path.rglob(".env"))
    without = Settings.load(data_dir=tmp_path, feed="simulator")
    write_configuration(without, programs(without), {})
    assert list(tmp_path.rglob(".env")) == []
    assert "canary" not in str(environment_for(without, own, Path("/java")))


def test_root_is_warned_but_not_in_a_container() -> None:
    assert "runs as root" in (root_warning(0, in_container=False) or "")
    assert root_warning(0, in_container=True) is None
    assert root_warning(1000, in_container=False) is None
