"""The archive keeps each record exactly once, whatever it is killed at."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from market_pipeline.bronze import archive
from market_pipeline.bronze.archive import bronze_days, bronze_files, read_day, reading, summarise_day
from market_pipeline.bronze.commit import INTENT
from market_pipeline.bronze.manifest import MANIFEST, ArchiveError, read_manifest
from market_pipeline.bronze.writer import Batch, HourWriter
from market_pipeline.settings import Settings
from market_pipeline_tests.unit.bronze import one_run

DAY = date(2025, 11, 13)
RECORDS = 40
STEPS = {str(RECORDS): 16, "compact": 12}
"""How many times each program changes the disk; a step more or less must be looked at."""


def expected(end: int) -> Counter[bytes]:
    return Counter(one_run.value_of(p, offset) for p in (0, 1) for offset in range(end))


def held(settings: Settings) -> Counter[bytes]:
    return Counter(value for day in bronze_days(settings) for value in read_day(settings, day))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(data_dir=tmp_path)


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here loses power."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def test_a_run_adds_each_record_once_and_the_next_adds_what_is_new(settings: Settings) -> None:
    one_run.run(settings, RECORDS)
    one_run.run(settings, RECORDS)
    assert held(settings) == expected(RECORDS)
    one_run.run(settings, RECORDS + 5)
    assert held(settings) == expected(RECORDS + 5)
    manifest = read_manifest(settings.paths.bronze)
    assert manifest is not None
    assert manifest.next_offsets == {0: RECORDS + 5, 1: RECORDS + 5}


def test_a_run_writes_one_file_an_hour_and_compaction_leaves_one(settings: Settings) -> None:
    for end in (10, 20, 30):
        one_run.run(settings, end)
    hours = Counter(path.parent.name for path in bronze_files(settings, DAY))
    assert set(hours.values()) == {3}
    done = archive.compact(settings, datetime(2025, 11, 13, 23, tzinfo=UTC))
    assert (done.hours, done.files_before) == (len(hours), 3 * len(hours))
    assert set(Counter(path.parent.name for path in bronze_files(settings, DAY)).values()) == {1}
    assert held(settings) == expected(30)


def test_only_hours_that_are_over_are_compacted(settings: Settings) -> None:
    for end in (10, 20):
        one_run.run(settings, end)
    opening = datetime.fromtimestamp(one_run.START_MS / 1000, UTC)
    archive.compact(settings, opening + timedelta(hours=1, minutes=59))
    by_hour = Counter(path.parent.name for path in bronze_files(settings, DAY))
    assert by_hour[f"hour={opening:%H}"] == 1
    assert by_hour[f"hour={opening + timedelta(hours=1):%H}"] == 2


def test_killed_at_every_step_of_a_run_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    _kill_everywhere(tmp_path, [10], str(RECORDS))


def test_killed_at_every_step_of_a_compaction_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    _kill_everywhere(tmp_path, [10, RECORDS], "compact")


def _kill_everywhere(tmp_path: Path, runs_before: list[int], what: str) -> None:
    """Kill a program before its first, second, … change of the disk, until one comes through."""
    start = Settings.load(data_dir=tmp_path / "start")
    for end in runs_before:
        one_run.run(start, end)
    before = held(start)

    def killed_at(step: int) -> bool:
        given = Settings.load(data_dir=tmp_path / str(step))
        shutil.copytree(start.data_dir, given.data_dir)
        assert programs.stdin is not None
        assert programs.stdout is not None
        programs.stdin.write(json.dumps([str(given.data_dir), what, step]) + "\n")
        programs.stdin.flush()
        ended = int(programs.stdout.readline())
        assert ended in (0, -signal.SIGKILL)
        found = held(given)
        assert all(n == 1 for n in found.values()), f"doubled after step {step}"
        assert before - found == Counter(), f"lost after step {step}"
        one_run.run(given, RECORDS)
        one_run.compact(given)
        assert held(given) == expected(RECORDS), f"after step {step}"
        assert not (given.paths.bronze / INTENT).exists()
        assert not (given.paths.bronze / "_staging").exists()
        return ended != 0

    command = [sys.executable, one_run.__file__]
    with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as programs:
        killed = [killed_at(step) for step in range(1, STEPS[what] + 2)]
    assert killed == [True] * STEPS[what] + [False], "the number of steps has changed"


def test_a_lost_manifest_is_made_again_from_the_files(settings: Settings) -> None:
    one_run.run(settings, 15)
    one_run.run(settings, 25)
    before = read_manifest(settings.paths.bronze)
    (settings.paths.bronze / MANIFEST).unlink()
    one_run.run(settings, RECORDS)
    after = read_manifest(settings.paths.bronze)
    assert before is not None
    assert after is not None
    assert after.commits == before.commits + 1
    assert held(settings) == expected(RECORDS)


def test_a_damaged_manifest_is_an_error_with_the_cure(settings: Settings) -> None:
    one_run.run(settings, 5)
    (settings.paths.bronze / MANIFEST).write_text('{"topic": "tr')
    with pytest.raises(ArchiveError, match=r"is damaged: delete it"):
        one_run.run(settings, 6)


def test_the_archive_of_another_topic_is_refused(settings: Settings) -> None:
    one_run.run(settings, 5)
    path = settings.paths.bronze / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"topic": "other"}))
    with pytest.raises(ArchiveError, match="is the archive of topic other, not of trades_raw"):
        one_run.run(settings, 6)


def test_a_second_writer_waits_and_then_says_who_is_at_it(settings: Settings) -> None:
    with (
        archive.writing(settings),
        pytest.raises(ArchiveError, match=r"archive is already running \(pid \d+.*waited 0 s"),
        archive.writing(settings, wait_s=0),
    ):
        pass


def test_files_that_are_being_read_stay_until_the_next_compaction(settings: Settings) -> None:
    one_run.run(settings, 10)
    one_run.run(settings, 20)
    with reading(settings):
        before = bronze_files(settings, DAY)
        done = archive.compact(settings, datetime(2025, 11, 14, tzinfo=UTC))
        assert done.postponed == done.hours > 0
        assert all(path.exists() for path in before)
        assert held(settings) == expected(20)
    archive.compact(settings, datetime(2025, 11, 14, tzinfo=UTC))
    assert not any(path.exists() for path in before)
    assert held(settings) == expected(20)


def test_a_day_is_summed_up_from_footers(settings: Settings) -> None:
    one_run.run(settings, 10)
    one_run.run(settings, RECORDS)
    archive.compact(settings, datetime(2025, 11, 14, tzinfo=UTC))
    found = summarise_day(settings, DAY)
    opening = datetime.fromtimestamp(one_run.START_MS / 1000, UTC)
    assert found.rows == sum(found.hours) == 2 * RECORDS
    assert found.first_trade == opening
    assert found.last_trade == opening + timedelta(hours=1, milliseconds=39)
    assert found.first_arrival == opening
    assert found.bytes == sum(path.stat().st_size for path in bronze_files(settings, DAY))


def test_an_empty_day_is_empty(settings: Settings) -> None:
    found = summarise_day(settings, date(2021, 5, 5))
    assert (found.rows, found.files, found.first_trade, found.first_arrival) == (0, 0, None, None)
    assert list(read_day(settings, date(2021, 5, 5))) == []


def test_bytes_are_kept_as_they_came(settings: Settings, tmp_path: Path) -> None:
    values: list[bytes | None] = [None, b"", b"\x00\xff", b'{"a": "\xc3\xa9"}', b"x" * 1_000_000]
    writer = HourWriter(tmp_path, 0)
    writer.add(Batch(list(values), [0] * 5, [*range(5)], [0, -1, 10**12, 5, 10**18]))
    files = writer.close()
    rows = [row for file in files for row in pq.read_table(tmp_path / file.path, partitioning=None).to_pylist()]
    assert sorted(rows, key=lambda row: row["kafka_offset"])[4]["value"] == values[4]
    assert {row["kafka_offset"]: row["value"] for row in rows} == dict(enumerate(values))
