"""One producer a key, whatever the data dir, and a lock that tells nothing of the key."""

import os
from pathlib import Path

import pytest

from market_pipeline.feed.key_lock import KeyInUse, hold, lock_of, state_dir


def test_a_second_holder_is_told_who_has_the_key_and_another_key_is_free(tmp_path: Path) -> None:
    first = hold("canary", tmp_path)
    with pytest.raises(KeyInUse, match=f"pid {os.getpid()}") as caught:
        hold("canary", tmp_path)
    assert "canary" not in str(caught.value)
    assert "\n" not in str(caught.value)
    hold("another", tmp_path).release()
    first.release()
    hold("canary", tmp_path).release()


def test_the_locks_name_is_the_same_each_time_and_not_the_key(tmp_path: Path) -> None:
    path = lock_of("canary", tmp_path).path
    assert path == lock_of("canary", tmp_path).path
    assert path != lock_of("canary2", tmp_path).path
    assert "canary" not in path.name


def test_the_folder_is_the_users_not_the_data_dirs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_dir() == tmp_path / "market-pipeline"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_dir() == tmp_path / ".local" / "state" / "market-pipeline"


def test_no_home_is_an_error_of_the_operating_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(OSError, match="home"):
        state_dir()
