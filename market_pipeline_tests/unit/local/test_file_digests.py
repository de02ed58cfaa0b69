"""Digests are taken once, and again when a file or what is known of it may have changed."""

import hashlib
import json
from pathlib import Path

import pytest

from market_pipeline.local import file_digests
from market_pipeline.local.file_digests import digests, record_file


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read, in order."""
    files: list[Path] = []
    original = file_digests._digest

    def noting(file: Path) -> str | None:
        files.append(file)
        return original(file)

    monkeypatch.setattr(file_digests, "_digest", noting)
    return files


def test_a_file_is_read_once_while_it_stays_as_it_was(tmp_path: Path, read: list[Path]) -> None:
    file = tmp_path / "a.jar"
    file.write_bytes(b"first")
    for _ in range(3):
        assert digests([file]) == {file: hashlib.sha256(b"first").hexdigest()}
    assert read == [file]
    file.write_bytes(b"other")
    assert digests([file]) == {file: hashlib.sha256(b"other").hexdigest()}
    assert digests([file], afresh=True) == {file: hashlib.sha256(b"other").hexdigest()}
    assert read == [file] * 3


def test_what_cannot_be_read_has_none(tmp_path: Path) -> None:
    assert digests([tmp_path / "absent", tmp_path]) == {}


def test_only_we_can_read_and_write_the_record(tmp_path: Path, read: list[Path]) -> None:
    file = tmp_path / "a.jar"
    file.write_bytes(b"first")
    digests([file])
    assert record_file().stat().st_mode & 0o777 == 0o600
    forged = {str(file): [json.loads(record_file().read_text())[str(file)][0], "0" * 64]}
    record_file().write_text(json.dumps(forged))
    record_file().chmod(0o666)  # a record that others may write says nothing
    assert digests([file]) == {file: hashlib.sha256(b"first").hexdigest()}
    assert len(read) == 2


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}'])
def test_a_damaged_record_is_made_anew(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.jar"
    file.write_bytes(b"first")
    record_file().parent.mkdir(parents=True)
    record_file().write_text(text)
    assert digests([file]) == {file: hashlib.sha256(b"first").hexdigest()}
