"""The thread that looks after the journal: it saves, syncs and tidies up, and a full disk ends nothing."""

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from market_pipeline.feed.journal import Journal
from market_pipeline.feed.journal.position import load_position
from market_pipeline.feed.journal.retention import Limits
from market_pipeline.feed.journal.segment import list_segments
from market_pipeline.feed.journal.tail import Head
from market_pipeline.feed.keeper import keep, limits
from market_pipeline.settings import Settings
from market_pipeline_tests.waiting import wait_for

WIDE = Limits(10**18, 10**18)


@contextmanager
def kept(journal: Journal) -> Iterator[None]:
    stopped = threading.Event()
    thread = threading.Thread(target=keep, args=(journal, WIDE, stopped))
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(30)
    assert not thread.is_alive()


def test_what_is_appended_is_synced_and_what_is_confirmed_saved_and_compressed(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "finnhub", segment_bytes=100)
    written = [journal.append(b"payload %d" % n) for n in range(20)]
    journal.confirm(written[-1].received_at, 20, None)
    with kept(journal):
        wait_for(lambda: load_position(tmp_path) == written[-1].received_at, "the position")
        wait_for(lambda: journal._synced == Head(journal._first, journal._path, journal._end), "the sync")
        wait_for(lambda: [each.compressed for each in list_segments(tmp_path)].count(False) == 1, "compression")


def test_a_full_disk_is_told_once_and_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(tmp_path, "finnhub")
    frame = journal.append(b"x")
    journal.confirm(frame.received_at, 1, None)
    save, tries = journal.save_position, list[int]()

    def full_three_times() -> None:
        tries.append(1)
        if len(tries) <= 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        save()

    monkeypatch.setattr(journal, "save_position", full_three_times)
    with kept(journal):
        wait_for(lambda: load_position(tmp_path) == frame.received_at, "the position")
    assert caplog.messages == ["journal: can't save its position: [Errno 28] No space left on device"]


def test_a_sync_that_fails_is_logged_once_while_the_position_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal, tries = Journal(tmp_path, "finnhub"), list[int]()

    def fails() -> None:
        tries.append(1)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("market_pipeline.feed.keeper.SYNC_EVERY_S", 0.2)
    monkeypatch.setattr(journal, "sync", fails)
    with kept(journal):
        wait_for(lambda: len(tries) == 3, "three tries")
    assert caplog.messages == ["journal: can't sync it: [Errno 5] Input/output error"]


def test_the_limits_are_those_of_the_settings() -> None:
    assert limits(Settings.load(journal_keep_hours=2, journal_max_gb=3)) == Limits(7_200_000_000, 3 * 2**30)
