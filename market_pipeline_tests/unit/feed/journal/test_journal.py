"""The journal as its writer, its tail and its readers see it."""

import errno
import gzip
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from market_pipeline.feed.journal import Frame, Journal, JournalFull, read_backwards, read_frames
from market_pipeline.feed.journal.frame import SEGMENT_HEADER_BYTES, encode_frame, segment_header
from market_pipeline.feed.journal.position import FILE_NAME, load_position
from market_pipeline.feed.journal.retention import Limits, tidy
from market_pipeline.feed.journal.segment import list_segments, pieces, segment_path

NO_LIMITS = Limits(10**18, 10**18)


def journal_at(directory: Path, clock: Callable[[], int] | None = None, segment_bytes: int = 200) -> Journal:
    ticking = iter(range(1_000_000, 10**9, 10))
    return Journal(directory, "finnhub", segment_bytes, clock or (lambda: next(ticking)))


def test_what_was_appended_is_read_in_order_with_its_feed(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    written = [journal.append(b"%d" % n) for n in range(50)]
    assert len(list_segments(tmp_path)) > 5
    assert list(read_frames(tmp_path)) == written
    assert list(read_backwards(tmp_path)) == written[::-1]
    assert {frame.source for frame in written} == {"finnhub"}


def test_since_leaves_out_what_was_received_before(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    written = [journal.append(b"%d" % n) for n in range(30)]
    for frame in written:
        assert list(read_frames(tmp_path, frame.received_at)) == written[written.index(frame) :]


def test_receive_times_increase_when_the_clock_stands_still_or_is_set_back(tmp_path: Path) -> None:
    times = iter([5_000_000, 5_000_000, 4_000_000, 1_000_000, 6_000_000])
    journal = journal_at(tmp_path, lambda: next(times))
    received = [journal.append(b"x").received_at for _ in range(5)]
    assert received == [5_000_000, 5_000_001, 5_000_002, 5_000_003, 6_000_000]


def test_receive_times_increase_over_a_restart_with_the_clock_set_back(tmp_path: Path) -> None:
    first = journal_at(tmp_path, lambda: 9_000_000).append(b"x").received_at
    assert journal_at(tmp_path, lambda: 2_000_000).append(b"y").received_at == first + 1


def test_receive_times_increase_even_if_the_disk_lost_what_was_confirmed(tmp_path: Path) -> None:
    journal = journal_at(tmp_path, lambda: 9_000_000)
    last = journal.append(b"x").received_at
    journal.confirm(last, 1, None)
    journal.close()
    list_segments(tmp_path)[0].path.unlink()
    assert journal_at(tmp_path, lambda: 2_000_000).append(b"y").received_at > last


def test_appended_frames_are_with_the_operating_system_at_once(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    for n in range(20):
        frame = journal.append(b"%d" % n)
        assert list(read_frames(tmp_path))[-1] == frame  # another reader of the files sees it, nothing was closed


def test_a_full_disk_loses_nothing_and_is_over_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = journal_at(tmp_path, segment_bytes=10_000)
    tail = journal.tail()
    before = journal.append(b"before")
    write = os.write

    def half_then_full(descriptor: int, data: bytes) -> int:
        if len(data) > 5:
            return write(descriptor, bytes(data[:5]))
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half_then_full)
        for _ in range(3):
            with pytest.raises(JournalFull, match="No space left") as full:
                journal.append(b"in hand")
            assert full.value.disk_full
    after = journal.append(b"in hand")
    assert list(read_frames(tmp_path)) == [before, after]
    assert tail.read(0) == [before, after]
    assert journal.figures(0)["torn"] == 0


def test_a_full_disk_at_the_start_of_a_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = journal_at(tmp_path)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(JournalFull):
            journal.append(b"x")
    frame = journal.append(b"x")
    assert list(read_frames(tmp_path)) == [frame]
    assert journal.tail().read(0) == [frame]


def test_a_full_disk_at_the_first_frame_of_a_segment_leaves_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = journal_at(tmp_path)
    tail, write = journal.tail(), os.write

    def room_for_the_header(descriptor: int, data: bytes) -> int:
        if os.fstat(descriptor).st_size < SEGMENT_HEADER_BYTES + 5:
            return write(descriptor, bytes(data[: SEGMENT_HEADER_BYTES if len(data) == SEGMENT_HEADER_BYTES else 5]))
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", room_for_the_header)
        with pytest.raises(JournalFull):
            journal.append(b"x" * 50)
    frame = journal.append(b"x" * 50)
    assert tail.read(0) == [frame]
    assert len(list_segments(tmp_path)) == 1
    assert (journal.figures(0)["torn"], journal_at(tmp_path).figures(0)["torn"]) == (0, 0)


def test_a_limit_on_a_files_size_is_no_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleting segments would make no room."""
    journal = journal_at(tmp_path)

    def too_large(*_: object) -> int:
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr(os, "write", too_large)
    with pytest.raises(JournalFull, match="File too large") as full:
        journal.append(b"x")
    assert not full.value.disk_full


def test_a_broken_disk_is_not_taken_for_a_full_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = journal_at(tmp_path)

    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "write", broken)
    with pytest.raises(OSError, match="Input/output"):
        journal.append(b"x")


@pytest.mark.parametrize("cut", [1, 5, 20, 21, 31, 33])
def test_a_torn_tail_is_tolerated_and_counted(tmp_path: Path, cut: int) -> None:
    journal = journal_at(tmp_path, segment_bytes=10_000)
    written = [journal.append(b"payload %d" % n) for n in range(3)]
    path = list_segments(tmp_path)[0].path
    path.write_bytes(path.read_bytes()[:-cut])
    again = journal_at(tmp_path, lambda: 10**12)
    assert again.figures(0)["torn"] == 1
    kept = written[: -1 if cut < 29 else -2]
    tail = again.tail()
    assert tail.read(0) == kept
    new = again.append(b"new")
    assert tail.read(0) == [new]
    assert list(read_frames(tmp_path)) == [*kept, new]


def test_the_tail_waits_for_what_comes_and_sees_it_at_once(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    tail, got = journal.tail(), list[Frame]()

    def follow() -> None:
        while len(got) < 200:
            got.extend(tail.read(60.0))

    thread = threading.Thread(target=follow)
    thread.start()
    written = [journal.append(b"%d" % n) for n in range(200)]
    thread.join(30)
    assert got == written


def test_frames_larger_than_the_readers_chunk(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    written = [journal.append(bytes([n]) * 1_100_000) for n in range(3)]
    tail, got = journal.tail(), list[Frame]()
    while frames := tail.read(0):
        got.extend(frames)
    assert got == written


def test_unconfirmed_frames_of_an_earlier_process_are_counted_and_read(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    written = [journal.append(b"%d" % n) for n in range(30)]
    journal.confirm(written[11].received_at, 12, written[12].received_at)
    journal.save_position()
    again = journal_at(tmp_path, lambda: 10**12)
    again.count_backlog()
    assert again.unconfirmed_frames == 18
    tail, got = again.tail(), list[Frame]()
    while frames := tail.read(0):
        got.extend(frames)
    assert got == written[12:]
    again.append(b"new")
    assert again.unconfirmed_frames == 19
    assert again.figures(written[12].received_at)["unconfirmed_frames"] == 19


def test_what_is_left_is_counted_to_the_microsecond(tmp_path: Path) -> None:
    """The first that is not confirmed, and the last, in a segment of its own."""
    now = iter(range(1_000_000, 2_000_000))
    journal = journal_at(tmp_path, lambda: next(now), segment_bytes=1)
    written = [journal.append(b"x") for _ in range(5)]
    journal.confirm(written[1].received_at, 2, written[2].received_at)
    journal.save_position()
    again = journal_at(tmp_path, lambda: 3_000_000)
    again.append(b"a newer one")
    again.count_backlog()
    assert again.unconfirmed_frames == 4


def test_the_figures_tell_what_is_on_disk_and_how_long_it_has_waited(tmp_path: Path) -> None:
    now = iter(range(1_000_000, 9_000_000, 1_000_000))
    journal = journal_at(tmp_path, lambda: next(now), segment_bytes=60)
    nothing = {"bytes": 0, "segments": 0, "unconfirmed_frames": 0, "oldest_unconfirmed_age_s": 0.0, "torn": 0}
    assert journal.figures(5_000_000) == nothing
    first, second, third = (journal.append(b"x" * 40) for _ in range(3))
    size = sum(segment.path.stat().st_size for segment in list_segments(tmp_path))
    kept = {"bytes": size, "segments": 3, "torn": 0}
    assert journal.figures(3_500_000) == kept | {"unconfirmed_frames": 3, "oldest_unconfirmed_age_s": 2.5}
    assert journal.figures(first.received_at - 9)["oldest_unconfirmed_age_s"] == 0.0  # the clock was set back
    journal.confirm(first.received_at, 1, second.received_at)
    assert journal.figures(3_500_000) == kept | {"unconfirmed_frames": 2, "oldest_unconfirmed_age_s": 1.5}
    journal.confirm(second.received_at, 1, None)  # of the one that is left only that it is later is known
    assert journal.figures(3_500_000) == kept | {"unconfirmed_frames": 1, "oldest_unconfirmed_age_s": 1.5}
    journal.confirm(third.received_at, 1, None)
    assert journal.figures(3_500_000) == kept | {"unconfirmed_frames": 0, "oldest_unconfirmed_age_s": 0.0}


@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
def test_a_damaged_compressed_segment_is_told_and_never_ends_the_reader(place: float, value: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        plain = segment_path(Path(folder), 1)
        plain.write_bytes(segment_header("finnhub") + b"".join(encode_frame(n, b"%d" % n * 9) for n in range(1, 30)))
        whole = [frame for piece in pieces(plain) for frame in piece.frames]
        compressed = bytearray(gzip.compress(plain.read_bytes(), mtime=0))
        compressed[int(place * len(compressed))] = value
        damaged = plain.with_name(plain.name + ".gz")
        damaged.write_bytes(compressed)
        found = list(pieces(damaged))
    assert any(piece.torn for piece in found) or [frame for piece in found for frame in piece.frames] == whole


def test_a_position_that_has_not_moved_is_not_written_again(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    first, second = journal.append(b"1"), journal.append(b"2")
    journal.save_position()
    assert not (tmp_path / FILE_NAME).exists()
    journal.confirm(first.received_at, 1, second.received_at)
    journal.save_position()
    written = (tmp_path / FILE_NAME).stat().st_ino
    journal.save_position()
    assert (tmp_path / FILE_NAME).stat().st_ino == written
    journal.confirm(second.received_at, 1, None)
    journal.save_position()
    assert load_position(tmp_path) == second.received_at


def test_a_damaged_position_means_deliver_again_never_lose(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    written = [journal.append(b"%d" % n) for n in range(3)]
    journal.confirm(written[-1].received_at, 3, None)
    journal.close()
    (tmp_path / FILE_NAME).write_text('{"receiv')
    assert load_position(tmp_path) == 0
    assert journal_at(tmp_path).tail().read(0) == written


def test_a_reader_goes_on_while_segments_are_compressed_under_it(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    written = [journal.append(b"%d" % n) for n in range(40)]
    reading = read_frames(tmp_path)
    got = [next(reading)]
    tidy(tmp_path, written[-1].received_at, 0, NO_LIMITS)
    got.extend(reading)
    assert got == written
    assert any(segment.compressed for segment in list_segments(tmp_path))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["append", "read", "confirm", "crash", "restart", "tidy", "position"]), max_size=60),
    st.integers(60, 400),
)
def test_no_order_of_events_loses_a_frame_or_repeats_a_confirmed_one(
    tmp_path_factory: pytest.TempPathFactory, events: list[str], segment_bytes: int
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    now = iter(range(1_000, 10**6))
    journal = Journal(directory, "finnhub", segment_bytes, lambda: next(now))
    tail = journal.tail()
    written: list[Frame] = []
    read: list[Frame] = []
    saved = confirmed = 0
    for event in events:
        if event == "append":
            written.append(journal.append(b"%d" % len(written)))
        elif event == "read":
            read.extend(tail.read(0))
        elif event == "confirm" and read:
            confirmed = read[-1].received_at
            journal.confirm(confirmed, 0, None)
        elif event == "position":
            journal.save_position()
            saved = confirmed
        elif event == "tidy":
            tidy(directory, journal.confirmed, 10**6, NO_LIMITS)
        elif event in ("crash", "restart"):
            if event == "restart":
                journal.close()
                saved = confirmed
            journal = Journal(directory, "finnhub", segment_bytes, lambda: next(now))
            tail, confirmed = journal.tail(), saved
            read = [frame for frame in written if frame.received_at <= saved]
    while frames := tail.read(0):
        read.extend(frames)
    assert read == written
    assert list(read_frames(directory)) == written
