"""Down-times: kept until they are stored, split by day, and never in the feed's way."""

import threading
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.feed import gap_recorder
from market_pipeline.feed.gap_recorder import GapRecorder
from market_pipeline.feed.gaps import Gap, GapBook, GapRow, rows_of
from market_pipeline_tests.waiting import wait_for

NOON = int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp() * 1_000_000)
HOUR = 3_600_000_000


def listening(path: Path, symbols: tuple[str, ...] = ("A",)) -> GapBook:
    """The book of a feed that has listened before."""
    book = GapBook(path)
    book.end(NOON - 36 * HOUR, symbols)  # a midnight
    return book


def test_a_gap_within_a_day_is_one_row_a_symbol() -> None:
    rows = list(rows_of(Gap(NOON, "closed by the server", ("AAPL", "OANDA:EUR_USD"), NOON + 5)))
    assert [(row.symbol, row.day, row.reason) for row in rows] == [
        ("AAPL", date(2026, 11, 24), "closed by the server"),
        ("OANDA:EUR_USD", date(2026, 11, 24), "closed by the server"),
    ]
    assert rows[0].started_at == datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert rows[0].ended_at == datetime(2026, 11, 24, 12, 0, 0, 5, tzinfo=UTC)


def test_a_gap_over_midnight_is_found_from_each_day() -> None:
    rows = list(rows_of(Gap(NOON, "x", ("A",), NOON + 40 * HOUR)))
    assert [row.day.day for row in rows] == [24, 25, 26]
    assert [row.ended_at for row in rows[:-1]] == [row.started_at for row in rows[1:]]
    assert rows[1].started_at == datetime(2026, 11, 25, tzinfo=UTC)


@given(st.integers(0, 2 * 10**15), st.integers(1, 10 * 24 * HOUR))
def test_the_rows_cover_the_gap_exactly(started_at: int, length: int) -> None:
    rows = list(rows_of(Gap(started_at, "x", ("A",), started_at + length)))
    covered = sum((row.ended_at - row.started_at).total_seconds() * 1e6 for row in rows)
    assert abs(covered - length) < 10
    assert all(row.day == row.started_at.date() and row.started_at < row.ended_at for row in rows)


def test_a_gap_that_lasts_has_no_row_yet_and_survives_a_restart_with_its_first_cause(tmp_path: Path) -> None:
    path = tmp_path / "gaps.json"
    GapBook(path).begin(Gap(NOON, "stopped", ("A",)))
    again = GapBook(path)
    assert again.open == Gap(NOON, "stopped", ("A",))
    assert list(rows_of(again.open)) == []
    again.begin(Gap(NOON + 9, "producer down", ("A",)))
    again.end(NOON + 50, ("A",))
    assert GapBook(path).closed[0] == Gap(NOON, "stopped", ("A",), NOON + 50)


def test_before_its_first_subscription_nobody_listened_to_a_symbol(tmp_path: Path) -> None:
    """So the minute in which a listening begins is incomplete, and those before it are unknown, not quiet."""
    path, midnight = tmp_path / "gaps.json", NOON - 12 * HOUR
    book = GapBook(path)
    book.end(NOON + 7, ("A", "B"))
    assert book.closed == [Gap(midnight, "start", ("A", "B"), NOON + 7)]
    book.forget(book.closed)
    book.end(NOON + 20, ("A", "B"))
    assert GapBook(path).closed == []  # no gap was open, and both were listened to


def test_a_symbol_that_is_added_starts_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "gaps.json"
    book = GapBook(path)
    book.end(NOON - 12 * HOUR, ("A",))  # at the very midnight: nothing was missed
    assert book.closed == []
    book.begin(Gap(NOON, "stopped", ("A",)))
    book = GapBook(path)
    book.end(NOON + 9, ("A", "B"))
    assert book.closed == [
        Gap(NOON, "stopped", ("A",), NOON + 9),
        Gap(NOON - 12 * HOUR, "start", ("B",), NOON + 9),
    ]


def test_a_symbol_that_is_left_out_for_a_while_has_a_gap_of_that_while(tmp_path: Path) -> None:
    listening(tmp_path / "gaps.json", ("A", "B", "C"))
    book = GapBook(tmp_path / "gaps.json")
    book.begin(Gap(NOON, "stopped", ("A", "B", "C")))
    book.end(NOON + 5, ("A",))
    assert [(gap.started_at, gap.symbols) for gap in book.closed] == [(NOON, ("A", "B", "C"))]
    book = GapBook(tmp_path / "gaps.json")  # of another process
    book.begin(Gap(NOON + HOUR, "stopped", ("A",)))
    book.end(NOON + HOUR + 5, ("A", "B", "D"))
    last = [(gap.started_at, gap.reason, gap.symbols, gap.ended_at) for gap in book.closed[1:]]
    assert last == [
        (NOON + HOUR, "stopped", ("A",), NOON + HOUR + 5),
        (NOON - 12 * HOUR, "start", ("D",), NOON + HOUR + 5),
        (NOON, "not subscribed", ("B",), NOON + HOUR + 5),
    ]
    book.end(NOON + 2 * HOUR, ("A", "B", "D", "C"))
    assert book.closed[-1] == Gap(NOON, "not subscribed", ("C",), NOON + 2 * HOUR)


def test_a_start_counts_from_the_day_in_which_the_first_try_failed(tmp_path: Path) -> None:
    book = GapBook(tmp_path / "gaps.json")
    book.begin(Gap(NOON, "unreachable", ("A",)))
    book.end(NOON + 13 * HOUR, ("A",))
    assert book.closed[1] == Gap(NOON - 12 * HOUR, "start", ("A",), NOON + 13 * HOUR)


@pytest.mark.parametrize("text", ["[{]", "[]", '{"gaps": []}', '{"gaps": [{}], "listened": []}'])
def test_a_damaged_file_is_put_aside(tmp_path: Path, text: str) -> None:
    path = tmp_path / "gaps.json"
    path.write_text(text)
    assert GapBook(path).closed == []
    assert path.with_suffix(".damaged").exists()


def test_gaps_wait_for_the_database_and_reach_it_once_it_is_there(tmp_path: Path) -> None:
    stored: list[GapRow] = []
    away = threading.Event()
    away.set()

    def store(rows: list[GapRow]) -> None:
        if away.is_set():
            raise ConnectionError("no database")
        stored.extend(rows)

    path = tmp_path / "gaps.json"
    listening(path)
    recorder = GapRecorder(path, store, retry_every_s=0.02)
    stopped = threading.Event()
    thread = threading.Thread(target=recorder.run, args=(stopped,), daemon=True)
    thread.start()
    for n in range(3):
        recorder.down(Gap(NOON + n * 10, "closed by the server", ("A",)))
        recorder.up(NOON + n * 10 + 5, ("A",))
    assert recorder.waiting == 3
    assert len(GapBook(path).closed) == 3
    away.clear()
    # once at once and, as they ended long ago, once more
    wait_for(lambda: len(stored) == 6, "the gaps")
    wait_for(lambda: GapBook(path).closed == [], "an empty file")
    stopped.set()
    thread.join(5)


def test_gaps_of_an_earlier_process_are_stored_too(tmp_path: Path) -> None:
    book = listening(tmp_path / "gaps.json")
    book.begin(Gap(NOON, "x", ("A",)))
    book.end(NOON + 5, ("A",))
    stored: list[GapRow] = []
    assert GapRecorder(tmp_path / "gaps.json", stored.extend).store_due()
    assert stored == list(rows_of(Gap(NOON, "x", ("A",), NOON + 5)))


def test_a_gap_is_stored_once_more_when_the_bar_of_its_last_minute_is_there(tmp_path: Path) -> None:
    stored: list[GapRow] = []
    listening(tmp_path / "gaps.json")
    recorder = GapRecorder(tmp_path / "gaps.json", stored.extend, settled_after_s=90)
    recorder.down(Gap(NOON, "x", ("A",)))
    recorder.up(NOON + 5, ("A",))
    assert recorder.store_due()
    assert recorder.store_settled(NOON + 5 + 89_999_999)
    assert len(stored) == 1
    assert recorder.store_settled(NOON + 5 + 90_000_000)
    assert recorder.store_settled(NOON + 5 + 99_000_000)
    assert stored == [*rows_of(Gap(NOON, "x", ("A",), NOON + 5))] * 2


def test_storing_once_more_is_tried_again_while_the_database_is_away(tmp_path: Path) -> None:
    answers: list[list[GapRow] | None] = []

    def store(rows: list[GapRow]) -> None:
        if len(answers) == 1:
            answers.append(None)
            raise ConnectionError("no database")
        answers.append(rows)

    listening(tmp_path / "gaps.json")
    recorder = GapRecorder(tmp_path / "gaps.json", store)
    recorder.down(Gap(NOON, "x", ("A",)))
    recorder.up(NOON + 5, ("A",))
    assert recorder.store_due()
    assert not recorder.store_settled(NOON + HOUR)
    assert recorder.store_settled(NOON + HOUR)
    assert answers == [answers[0], None, answers[0]]


@pytest.mark.parametrize(("quiet_for_s", "level"), [(120.0, "INFO"), (0.0, "WARNING")])
def test_a_store_that_is_not_up_yet_is_no_fault_at_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, quiet_for_s: float, level: str
) -> None:
    monkeypatch.setattr(gap_recorder, "QUIET_FOR_S", quiet_for_s)
    up: list[bool] = []

    def store(rows: list[GapRow]) -> None:
        if not up:
            raise ConnectionError("no database")

    listening(tmp_path / "gaps.json")
    recorder = GapRecorder(tmp_path / "gaps.json", store)
    recorder.down(Gap(NOON, "x", ("A",)))
    recorder.up(NOON + 5, ("A",))
    caplog.set_level("INFO")
    assert not recorder.store_due()
    up.append(True)
    assert recorder.store_due()
    assert [(told.levelname, "no database" in told.message) for told in caplog.records] == [
        (level, level == "WARNING"),
        ("INFO", False),
    ]


def test_a_gap_is_told_while_it_lasts(tmp_path: Path) -> None:
    recorder = GapRecorder(tmp_path / "gaps.json", lambda rows: None)
    assert recorder.lasting is None
    recorder.down(Gap(NOON, "unreachable", ("A",)))
    assert recorder.lasting == Gap(NOON, "unreachable", ("A",))
    recorder.up(NOON + 1, ("A",))
    assert recorder.lasting is None


def test_a_directory_that_can_not_be_written_does_not_stop_the_feed(tmp_path: Path) -> None:
    recorder = GapRecorder(tmp_path / "gone" / "gaps.json", lambda gaps: None)
    recorder.down(Gap(NOON, "x", ("A",)))
    recorder.up(NOON + 1, ("A",))
    assert recorder.waiting == 2  # and that nobody listened before
