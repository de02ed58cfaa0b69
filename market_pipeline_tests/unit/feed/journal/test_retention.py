"""What is compressed and deleted, and what never is."""

import gzip
from pathlib import Path

import pytest

from market_pipeline.feed.journal import Journal, read_frames
from market_pipeline.feed.journal.retention import Limits, compress, free_oldest, has_forgotten, plan, tidy
from market_pipeline.feed.journal.segment import Segment, list_segments

SEGMENTS = [Segment(first, Path(f"{first}.frames"), False) for first in (100, 200, 300, 400)]
SIZES = [10, 10, 10, 10]
WIDE = Limits(keep_us=10**9, max_bytes=10**9)


def firsts(segments: tuple[Segment, ...]) -> list[int]:
    return [segment.first for segment in segments]


def test_confirmed_segments_are_compressed_the_newest_is_not() -> None:
    assert firsts(plan(SEGMENTS, SIZES, confirmed=450, now=500, limits=WIDE).compress) == [100, 200, 300]
    assert firsts(plan(SEGMENTS, SIZES, confirmed=300, now=500, limits=WIDE).compress) == [100, 200]


def test_a_segment_with_an_unconfirmed_frame_is_left_alone() -> None:
    todo = plan(SEGMENTS, SIZES, confirmed=299, now=500, limits=WIDE)
    assert firsts(todo.compress) == [100]
    assert plan(SEGMENTS, SIZES, confirmed=0, now=500, limits=WIDE) == plan([], [], 0, 0, WIDE)


def test_old_confirmed_segments_are_deleted() -> None:
    todo = plan(SEGMENTS, SIZES, confirmed=450, now=550, limits=Limits(keep_us=250, max_bytes=10**9))
    assert (firsts(todo.delete), firsts(todo.compress)) == ([100], [200, 300])


def test_over_the_size_the_oldest_confirmed_go_first_and_no_more_than_needed() -> None:
    for max_bytes, gone in ((25, [100, 200]), (30, [100]), (40, [])):
        todo = plan(SEGMENTS, SIZES, confirmed=450, now=500, limits=Limits(keep_us=10**9, max_bytes=max_bytes))
        assert firsts(todo.delete) == gone


def test_no_limit_deletes_an_unconfirmed_segment() -> None:
    todo = plan(SEGMENTS, SIZES, confirmed=250, now=10**12, limits=Limits(keep_us=0, max_bytes=0))
    assert firsts(todo.delete) == [100]


def test_room_is_made_by_the_oldest_confirmed_segment_never_by_another(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(tmp_path, "finnhub", segment_bytes=100)
    written = [journal.append(b"payload %02d" % n) for n in range(30)]
    names = [segment.first for segment in list_segments(tmp_path)]
    compress(list_segments(tmp_path)[0])
    confirmed = written[14].received_at
    gone = 0
    while free_oldest(tmp_path, confirmed):
        gone += 1
        assert [segment.first for segment in list_segments(tmp_path)] == names[gone:]
        said = "no room on the disk: the journal's oldest confirmed segment is deleted"
        assert caplog.messages[-1] == f"{said} ({names[gone - 1]:016d}.frames{'.gz' if gone == 1 else ''})"
    assert list(read_frames(tmp_path))[-15:] == written[15:]
    assert 1 < gone < len(names) - 1
    assert has_forgotten(tmp_path)


def test_there_is_room_even_if_the_disk_has_none_for_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path, "finnhub", segment_bytes=64)
    written = [journal.append(b"%032d" % n) for n in range(5)]
    touch = Path.touch

    def full_until_deleted(path: Path, mode: int = 0o666, exist_ok: bool = True) -> None:
        if len(list_segments(tmp_path)) == 5:
            raise OSError(28, "No space left on device")
        touch(path, mode, exist_ok)

    monkeypatch.setattr(Path, "touch", full_until_deleted)
    assert free_oldest(tmp_path, written[-1].received_at)
    assert list(read_frames(tmp_path)) == written[1:]
    assert has_forgotten(tmp_path)


@pytest.mark.parametrize("how", ["room", "age"])
def test_a_segment_that_another_program_deletes_meanwhile_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    journal = Journal(tmp_path, "finnhub", segment_bytes=64)
    written = [journal.append(b"%032d" % n) for n in range(5)]
    touch = Path.touch

    def another_is_quicker(path: Path, mode: int = 0o666, exist_ok: bool = True) -> None:
        list_segments(tmp_path)[0].path.unlink()
        touch(path, mode, exist_ok)

    monkeypatch.setattr(Path, "touch", another_is_quicker)
    if how == "room":
        assert free_oldest(tmp_path, written[-1].received_at)
        assert len(list_segments(tmp_path)) <= 4
    else:
        tidy(tmp_path, written[-1].received_at, written[-1].received_at, Limits(keep_us=0, max_bytes=10**9))
        assert len(list_segments(tmp_path)) == 2
    assert list(read_frames(tmp_path))[-1] == written[-1]


def test_compressing_keeps_every_frame_and_a_crash_leaves_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, "finnhub", segment_bytes=100)
    written = [journal.append(b"payload %d" % n) for n in range(20)]
    first = list_segments(tmp_path)[0]

    def crash(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(gzip.GzipFile, "write", crash)
        with pytest.raises(OSError, match="No space"):
            compress(first)
    assert list(read_frames(tmp_path)) == written
    assert not list(tmp_path.glob("*.tmp"))
    tidy(tmp_path, written[-1].received_at, 0, WIDE)
    assert list(read_frames(tmp_path)) == written
    assert [segment.compressed for segment in list_segments(tmp_path)].count(False) == 1


def test_a_journal_that_deleted_something_says_so(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "simulator", segment_bytes=64)
    written = [journal.append(b"%032d" % n) for n in range(20)]
    tidy(tmp_path, written[-1].received_at, 0, WIDE)
    assert not has_forgotten(tmp_path)
    tidy(tmp_path, written[-1].received_at, written[-1].received_at, Limits(keep_us=0, max_bytes=0))
    assert has_forgotten(tmp_path)
    assert len(list(read_frames(tmp_path))) < len(written)
    journal.close()
