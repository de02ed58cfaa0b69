"""The file with the token of Dagster's page: who may read it, and what it may hold."""

import re
import stat
from pathlib import Path

import pytest

from market_pipeline.webserver.access_token import TokenFileError, ensure, read, renew


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run" / "token"


def test_a_token_has_256_bits_and_only_its_owner_reads_it(file: Path) -> None:
    token = renew(file)
    assert re.fullmatch("[A-Za-z0-9_-]{43}", token)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert read(file) == token
    assert [each.name for each in file.parent.iterdir()] == ["token"]


def test_a_token_stays_until_it_is_renewed(file: Path) -> None:
    assert read(file) is None
    first = ensure(file)
    assert ensure(file) == first
    assert renew(file) != first


def test_whoever_reads_while_it_is_renewed_reads_a_whole_one(file: Path) -> None:
    before = renew(file)
    with file.open(encoding="ascii") as opened:
        renew(file)
        assert opened.read().strip() == before


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o602])
def test_a_file_that_is_open_to_others_is_refused(file: Path, mode: int) -> None:
    renew(file)
    file.chmod(mode)
    with pytest.raises(TokenFileError, match=f"chmod 600 {re.escape(str(file))}"):
        read(file)


@pytest.mark.parametrize("text", ["", "short", "x" * 31, "x" * 513, "x" * 40 + " y", "ü" * 40, "x" * 40 + "\ny"])
def test_what_is_no_token_is_refused(file: Path, text: str) -> None:
    renew(file)
    file.write_text(text, encoding="utf-8")
    with pytest.raises(TokenFileError, match="holds no token of 32 or more"):
        ensure(file)


def test_a_link_is_followed_to_a_file_that_is_ours_alone(file: Path, tmp_path: Path) -> None:
    token = renew(tmp_path / "elsewhere")
    file.parent.mkdir()
    file.symlink_to(tmp_path / "elsewhere")
    assert read(file) == token
    (tmp_path / "elsewhere").chmod(0o622)
    with pytest.raises(TokenFileError):
        read(file)


def test_a_folder_is_no_token(file: Path) -> None:
    file.mkdir(parents=True)
    with pytest.raises(TokenFileError, match="is not a file"):
        read(file)
