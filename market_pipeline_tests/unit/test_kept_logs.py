"""The logs of a test that fails are kept where reports are."""

import os
import subprocess
import sys
from pathlib import Path

from market_pipeline_tests.kept_logs import KEPT_BYTES, keep

ROOT = Path(__file__).parents[2]
TESTS = """
import os
import pytest

@pytest.fixture(scope="module")
def server(tmp_path_factory):
    logs = tmp_path_factory.mktemp("server") / "logs"
    logs.mkdir()
    return logs / "kafka.log"

def test_well(server):
    server.write_text("well")

def test_fails(server):
    server.write_text("the broker is away")
    raise AssertionError

def test_fails_while_nothing_is_logged(server):
    os.utime(server, (1, 1))
    raise AssertionError
"""


def test_a_failed_tests_logs_are_kept_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from market_pipeline_tests.kept_logs import pytest_runtest_makereport\n")
    (tmp_path / "test_servers.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path]
    done = subprocess.run(
        [*command, "--basetemp", tmp_path / "temporary", tmp_path],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "2 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "logs kept in build/reports/logs/test_servers.py-test_fails" in done.stdout
    kept = {str(file.relative_to(tmp_path / "build")): file.read_text() for file in tmp_path.glob("build/**/*.log")}
    assert kept == {"reports/logs/test_servers.py-test_fails/server0-logs-kafka.log": "the broker is away"}


def test_of_a_long_log_the_end_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"x" * KEPT_BYTES + b"the end")
    (tmp_path / "empty.log").touch()
    assert keep(tmp_path, 0.0, tmp_path / "kept") == ["a.log"]
    assert (tmp_path / "kept" / "a.log").read_bytes() == b"x" * (KEPT_BYTES - 7) + b"the end"
