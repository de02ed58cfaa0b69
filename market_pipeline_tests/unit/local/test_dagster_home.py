"""Dagster's storage is made once, whole, whoever comes first."""

import contextlib
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from market_pipeline.local import dagster_home
from market_pipeline.settings import Settings
from market_pipeline_tests.ending import ended

PREPARE = """
import sys
from market_pipeline.local import dagster_home
from market_pipeline.settings import Settings
dagster_home.prepare(Settings.load(data_dir=sys.argv[1]))
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    found = Settings.load(data_dir=tmp_path / "data")
    found.paths.run.mkdir(parents=True)
    return found


def test_three_at_once_leave_one_storage_that_works(settings: Settings) -> None:
    command = [sys.executable, "-c", PREPARE, str(settings.data_dir)]
    with contextlib.ExitStack() as started:
        programs = [started.enter_context(ended(subprocess.Popen(command))) for _ in range(3)]
        assert [program.wait(300) for program in programs] == [0, 0, 0]
    assert works(settings.paths.dagster)
    assert "telemetry:\n  enabled: false" in (settings.paths.dagster / "dagster.yaml").read_text()
    assert [each for each in settings.data_dir.iterdir() if each.name.startswith(".dagster-")] == []


def test_a_making_that_was_cut_off_is_completed_and_what_is_there_kept(settings: Settings) -> None:
    dagster_home.prepare(settings)
    history = settings.paths.dagster / "history"
    made = history.stat().st_ino
    (settings.paths.dagster / "schedules" / "schedules.db").unlink()
    (settings.paths.dagster / "schedules").rmdir()
    dagster_home.prepare(settings)
    assert works(settings.paths.dagster)
    assert history.stat().st_ino == made


def works(home: Path) -> bool:
    """Whether Dagster can read each of its three storages there."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        return (instance.get_runs(), instance.all_asset_keys(), instance.all_instigator_state()) == ([], [], [])
