"""What a test session leaves behind is ended, also when the session was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from market_pipeline_tests import reaper
from market_pipeline_tests.waiting import wait_for


@pytest.mark.parametrize(
    ("lines", "left"),
    [([], []), (["+/a\n"], ["/a"]), (["+/a\n", "-/a\n"], []), (["+/a\n", "+/b\n", "-/a\n", "-/c\n"], ["/b"])],
)
def test_what_was_started_and_not_stopped_is_left(lines: list[str], left: list[str]) -> None:
    assert reaper.left_behind(lines) == left


def test_a_killed_session_has_its_pipelines_ended(tmp_path: Path) -> None:
    """What stands in for ``down`` notes the data dir that it was run for."""
    noted, data_dir = tmp_path / "noted", tmp_path / "data"
    data_dir.mkdir()
    down = f"import sys, pathlib; pathlib.Path({str(noted)!r}).write_text(sys.argv[1])"
    session = (
        "import os, signal; from pathlib import Path; from market_pipeline_tests import reaper;"
        f"reaper.DOWN = ('-c', {down!r}); reaper.started(Path({str(data_dir)!r})); os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = str(Path(__file__).parents[2])
    ended = subprocess.run([sys.executable, "-c", session], env=os.environ | {"PYTHONPATH": root}, check=False)
    assert ended.returncode == -signal.SIGKILL
    wait_for(lambda: noted.exists() and noted.read_text() == str(data_dir), "the pipeline to be ended")
