"""What a power cut takes from the journal: bytes that were not synced, and nothing that anybody was given."""

import errno
import os
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.feed.journal import Frame, Journal, JournalFull, read_frames
from market_pipeline.feed.journal.position import FILE_NAME
from market_pipeline.feed.journal.retention import Limits, tidy
from market_pipeline.feed.journal.segment import list_segments
from market_pipeline_tests.unit.feed.power_cut import Disk


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path, monkeypatch)


def journal_at(directory: Path, segment_bytes: int = 200) -> Journal:
    ticking = iter(range(1_000_000, 10**9, 10))
    return Journal(directory, "finnhub", segment_bytes, lambda: next(ticking))


def forget(journal: Journal) -> None:
    """Its process is gone, without a close."""
    for descriptor in (*journal._sealed, journal._descriptor):
        if descriptor >= 0:
            os.close(descriptor)


@given(st.lists(st.sampled_from(["append", "read", "sync"]), max_size=40), st.integers(0, 2**32))
def test_a_power_cut_takes_nothing_that_was_read_or_synced(events: list[str], seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        directory = Path(folder)
        disk = Disk(directory, patch)
        journal = journal_at(directory)
        tail = journal.tail()
        written: list[Frame] = []
        safe = 0
        for event in events:
            if event == "append":
                written.append(journal.append(b"%d" % len(written) * 9))
            elif event == "read":
                while tail.read(0):
                    safe = len(written)
            else:
                journal.sync()
                safe = len(written)
        tail.close()
        forget(journal)
        disk.cut(random.Random(seed))
        left = list(read_frames(directory))
        assert left[:safe] == written[:safe]
        assert all(frame in written for frame in left)
        again = Journal(directory, "finnhub", 200, lambda: 2_000_000)
        new = again.append(b"after")
        assert list(read_frames(directory)) == [*left, new]
        again.close()


def test_frames_that_come_during_a_sync_share_the_next_one(disk: Disk) -> None:
    journal = journal_at(disk.directory, 10**6)
    tail = journal.tail()
    for n in range(100):
        journal.append(b"%d" % n)
    before = disk.syncs
    assert len(tail.read(0)) == 100
    assert disk.syncs - before == 2  # the file, and the name that it has only now
    journal.append(b"x")
    assert len(tail.read(0)) == 1
    assert disk.syncs - before == 3
    assert tail.read(0) == []
    assert disk.syncs - before == 3  # nothing came, nothing is synced
    tail.close()
    journal.close()


def test_what_the_disk_refused_to_keep_is_never_given_out(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = journal_at(disk.directory)
    tail = journal.tail()
    first = journal.append(b"first")
    assert tail.read(0) == [first]
    second = journal.append(b"second")

    def refuses(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", refuses)
        with pytest.raises(OSError, match="Input/output"):
            tail.read(0)
    for _ in range(2):  # Linux tells it once, and a second sync would succeed
        with pytest.raises(OSError, match="Input/output"):
            tail.read(0)
    tail.close()
    with pytest.raises(OSError, match="Input/output"):
        journal.close()
    assert journal_at(disk.directory).tail().read(0) == [first, second]  # a new process sees what is there


def test_a_segment_that_a_full_disk_left_without_a_frame_never_has_its_name_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_after_the_header(descriptor: int, data: bytes) -> int:
        if len(data) == 32:
            return write(descriptor, data)
        raise OSError(errno.ENOSPC, "No space left on device")

    def refuses(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write = os.write
    journal = Journal(tmp_path, "finnhub", 200, lambda: 1_000_000)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full_after_the_header)
        patch.setattr(os, "ftruncate", refuses)
        for _ in range(3):
            with pytest.raises(JournalFull):
                journal.append(b"in hand")
    frame = journal.append(b"in hand")
    journal.close()
    set_back = Journal(tmp_path, "finnhub", 200, lambda: 5)
    after = set_back.append(b"after")
    assert list(read_frames(tmp_path)) == [frame, after]
    set_back.close()


def test_a_position_that_was_lost_is_not_before_what_only_confirmed_segments_become(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    written = [journal.append(b"%d" % n * 9) for n in range(30)]
    journal.confirm(written[20].received_at, 21, None)
    tidy(tmp_path, journal.confirmed, 2_000_000, Limits(10**9, 10**9))
    journal.close()
    (tmp_path / FILE_NAME).write_bytes(b"")
    plain = next(segment for segment in list_segments(tmp_path) if not segment.compressed)
    again = journal_at(tmp_path)
    assert again.confirmed == plain.first - 1
    assert again.tail().read(0)[0].received_at == plain.first
