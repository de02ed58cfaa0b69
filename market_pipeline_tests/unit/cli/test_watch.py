"""``status --watch`` where there is no terminal."""

import signal
import subprocess
import sys
from pathlib import Path


def test_in_a_pipe_it_prints_one_screen_after_the_other_until_it_is_interrupted(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "market_pipeline.cli", "status", "--watch", "--data-dir", str(tmp_path / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        screens = 0
        for line in process.stdout:
            screens += "UTC" in line
            if screens == 2:
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
