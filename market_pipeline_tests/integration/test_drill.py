"""A real fault in a real pipeline: what hangs is seen, told in Slack and restarted by a run of Dagster's, and nothing
is lost; and of the drill nothing is left."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from market_pipeline_tests.conftest import die_with_parent

pytestmark = [pytest.mark.real_servers, pytest.mark.timeout(900)]


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A short path: the sockets in it have a limit."""
    with tempfile.TemporaryDirectory(prefix="drill-") as folder:
        yield Path(folder)


def test_a_producer_that_hangs_is_noticed_told_and_restarted_and_no_trade_is_lost(
    tmp_path: Path, temporary: Path
) -> None:
    told = {"TMPDIR": str(temporary), "MARKET_PIPELINE_DATA_DIR": str(tmp_path / "data")}
    command = [sys.executable, "-m", "market_pipeline.cli", "drill", "--only", "producer-hung", "--json"]
    done = subprocess.run(
        command, env=os.environ | told, capture_output=True, text=True, check=False, preexec_fn=die_with_parent
    )
    assert done.returncode == 0, done.stderr
    (outcome,) = json.loads(done.stdout)
    assert outcome["noticed_by"] == "rule program-hung"
    assert outcome["message"].startswith("🔴 P1 A program runs and says nothing: producer")
    assert outcome["healed_s"] is not None
    assert outcome["unheard_s"] > 0
    assert (outcome["lost"], outcome["doubled"], outcome["bars_wrong"]) == (0, 0, 0)
    (page,) = (tmp_path / "data" / "reports" / "drill").iterdir()
    assert "| producer hangs (SIGSTOP) |" in page.read_text()
    assert list(temporary.iterdir()) == []
    commands = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
    assert [each for each in commands if str(temporary) in each] == []
