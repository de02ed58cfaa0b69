"""A folder or file that can't be used is one line, whatever command wanted it."""

import errno
from pathlib import Path

import pytest
from click.testing import CliRunner

from market_pipeline.cli import main, unusable


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # the options set these two for every process that a command starts
    monkeypatch.setenv("MARKET_PIPELINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MARKET_PIPELINE_PORT_BASE", "29000")


@pytest.mark.parametrize("command", ["status", "down", "doctor"])
def test_a_data_dir_below_a_file(command: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(main, [command, "--data-dir", str(tmp_path / "file" / "below")])
    assert done.exit_code == 1
    assert "Not a directory" in done.stderr
    assert "--data-dir" in done.stderr
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_a_name_that_no_file_system_takes(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["status", "--data-dir", str(tmp_path / ("x" * 300))])
    assert done.exit_code == 1
    assert "File name too long" in done.stderr


def test_each_is_told_with_the_cure_that_fits() -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "/data/run")
    assert unusable(full) == "/data/run: No space left on device: make room on the disk"
    refused = PermissionError(errno.EACCES, "Permission denied")
    assert unusable(refused) == "Permission denied: put that right, or choose another --data-dir"
    assert unusable(PermissionError("/x is another's: choose --data-dir")) == "/x is another's: choose --data-dir"


def test_an_env_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"MARKET_PIPELINE_RATE=\xff\xfe")
    done = CliRunner().invoke(main, ["status"])
    assert done.exit_code == 1
    assert done.stderr == "error: the .env file is not text in UTF-8: save it as that\n"
