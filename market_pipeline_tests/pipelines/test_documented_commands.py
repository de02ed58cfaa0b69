"""The commands of the documentation, typed as they stand there, on one running pipeline."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from market_pipeline.alerts.ledger import Ledger
from market_pipeline_tests.documented import HOW, How
from market_pipeline_tests.ending import ended
from market_pipeline_tests.running import RunningPipeline
from market_pipeline_tests.waiting import wait_for

pytestmark = [pytest.mark.real_servers, pytest.mark.timeout(900)]
WITHIN_S = 240


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory, free_port_base: Callable[[], int]) -> Iterator[RunningPipeline]:
    running = RunningPipeline(tmp_path_factory.mktemp("documented") / "data", free_port_base())
    try:
        running.up("--feed", "simulator", "--no-dagster")
        Ledger(running.settings.paths.incidents).not_over()  # there since Dagster first evaluated the rules
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands are typed: files that one writes another reads."""
    return tmp_path_factory.mktemp("typed")


def shell(pipeline: RunningPipeline) -> dict[str, str]:
    """The variables of a shell in which the README's were set, for this pipeline."""
    return pipeline.environment | {
        "DAGSTER_HOME": str(pipeline.settings.paths.dagster),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONWARNINGS": "ignore",
    }


def typed(pipeline: RunningPipeline, folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", text],
        env=shell(pipeline),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )


def of(how: How) -> list[str]:
    return [text for text, each in HOW.items() if each is how]


@pytest.mark.parametrize("text", of(How.RUN))
def test_it_succeeds(pipeline: RunningPipeline, folder: Path, text: str) -> None:
    pipeline.settings.paths.dagster.mkdir(exist_ok=True)  # `up` makes it where Dagster runs too
    done = typed(pipeline, folder, text)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.parametrize("text", of(How.FAIL))
def test_what_is_not_there_is_reported_in_one_line(pipeline: RunningPipeline, folder: Path, text: str) -> None:
    done = typed(pipeline, folder, text)
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")


@pytest.mark.parametrize("text", of(How.FOLLOW))
def test_it_goes_on_until_it_is_ended(pipeline: RunningPipeline, folder: Path, text: str) -> None:
    output = folder / "followed"
    with output.open("wb") as file:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {text}"], env=shell(pipeline), cwd=folder, stdin=subprocess.DEVNULL, stdout=file
        )
    with ended(process):
        wait_for(lambda: output.stat().st_size > 0, "something that it prints")
        assert process.poll() is None
        process.terminate()
        process.wait(30)
