"""Down-times: kept until they are stored, split by day, and never in the feed's way."""

import threading
from datetime import UTC, date, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.feed.gap_recorder import GapRecorder
from market_pipeline.feed.gaps import Gap, GapBook, GapRow, rows_of
from market_pipeline_tests.unit.feed.conftest import wait_until

NOON = int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp() * 1_000_000)
HOUR = 3_600_000_000


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
    again.end(NOON + 50)
    assert GapBook(path).closed == [Gap(NOON, "stopped", ("A",), NOON + 50)]


def test_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "gaps.json"
    path.write_text("[{]")
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
    recorder = GapRecorder(path, store, retry_every_s=0.02)
    stopped = threading.Event()
    thread = threading.Thread(target=recorder.run, args=(stopped,), daemon=True)
    thread.start()
    for n in range(3):
        recorder.down(Gap(NOON + n * 10, "closed by the server", ("A",)))
        recorder.up(NOON + n * 10 + 5)
    assert recorder.waiting == 3
    assert len(GapBook(path).closed) == 3
    away.clear()
    wait_until(lambda: len(stored) == 3, "the gaps")
    wait_until(lambda: GapBook(path).closed == [], "an empty file")
    stopped.set()
    thread.join(5)


def test_gaps_of_an_earlier_process_are_stored_too(tmp_path: Path) -> None:
    book = GapBook(tmp_path / "gaps.json")
    book.begin(Gap(NOON, "x", ("A",)))
    book.end(NOON + 5)
    stored: list[GapRow] = []
    assert GapRecorder(tmp_path / "gaps.json", stored.extend).store_due()
    assert stored == list(rows_of(Gap(NOON, "x", ("A",), NOON + 5)))


def test_a_gap_is_told_while_it_lasts(tmp_path: Path) -> None:
    recorder = GapRecorder(tmp_path / "gaps.json", lambda rows: None)
    assert recorder.lasting is None
    recorder.down(Gap(NOON, "unreachable", ("A",)))
    assert recorder.lasting == Gap(NOON, "unreachable", ("A",))
    recorder.up(NOON + 1)
    assert recorder.lasting is None


def test_a_directory_that_can_not_be_written_does_not_stop_the_feed(tmp_path: Path) -> None:
    recorder = GapRecorder(tmp_path / "gone" / "gaps.json", lambda gaps: None)
    recorder.down(Gap(NOON, "x", ("A",)))
    recorder.up(NOON + 1)
    assert recorder.waiting == 1
