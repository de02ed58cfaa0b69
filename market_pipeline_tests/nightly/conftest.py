"""A pipeline for each test, and Python environments other than the one that runs the tests."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from market_pipeline_tests.running import RunningPipeline

ROOT = Path(__file__).parents[2]
INSTALLS_WITHIN_S = 900


@pytest.fixture
def pipeline(tmp_path: Path, free_port_base: Callable[[], int]) -> Iterator[RunningPipeline]:
    running = RunningPipeline(tmp_path / "data", free_port_base())
    yield running
    running.stop()


@pytest.fixture(scope="session")
def installed_for(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Installs the locked packages and the pipeline for an interpreter, as ``make install`` does; gives its Python.

    The argument is a version that is on this machine, such as ``3.12``, or the path of an interpreter.
    """
    uv = Path(sys.executable).with_name("uv")

    def install(interpreter: str) -> Path:
        venv = tmp_path_factory.mktemp("python") / "venv"
        python = venv / "bin" / "python"
        into = ("--python", python)
        for command in (
            [uv, "venv", "--quiet", "--no-python-downloads", "--python", interpreter, venv],
            [uv, "pip", "install", "--quiet", *into, "--require-hashes", "-r", ROOT / "requirements.lock"],
            [uv, "pip", "install", "--quiet", *into, "--no-deps", ROOT],
        ):
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALLS_WITHIN_S, check=False)
            assert done.returncode == 0, done.stderr
        return python

    return install
