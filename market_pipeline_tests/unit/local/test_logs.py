"""The ends of logs, and what is added to them."""

import time
from pathlib import Path

import pytest

from market_pipeline.local.logs import BLOCK_BYTES, Follower, interleaved, last_lines, log_files, services, tail
from market_pipeline.settings import Settings


def test_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    assert tail(log, 2) == "line 98\nline 99"
    assert len(tail(log, 1000).splitlines()) == 100
    assert tail(log, 0) == tail(tmp_path / "absent", 5) == ""


def test_logs_are_interleaved_whatever_way_each_writes_its_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        told = interleaved(
            [
                ("kafka", "started by hand\n2026-11-24 08:00:01,500 INFO one\n  its second line"),
                ("kafka", "2026-11-24T08:00:01.250 INFO the server's"),
                ("cassandra", "INFO  [main] 2026-11-24 08:00:02,000 Config:1 - three"),
                ("producer", "2026-11-24T13:00:01Z INFO zero\n2026-11-24T13:00:03Z INFO four"),
                ("dagster", "2026-11-24 13:00:03 +0000 - five\n2026-99-99 00:00:00 no time"),
            ]
        )
        assert [line.split()[-1] for _, line in told] == [
            *("hand", "zero", "server's", "one", "line", "three", "four", "five", "time"),
        ]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_line_has_no_colours_and_what_acts_on_a_terminal_stays_to_be_escaped(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.touch()
    follower = Follower(log).from_end()
    log.write_text("\x1b[32m2026-11-24 13:00:03 +0000\x1b[0m - dagster - \x1b[1;31mERROR\x1b[0m - a\x1b[2Jb\n")
    shown = "2026-11-24 13:00:03 +0000 - dagster - ERROR - a\x1b[2Jb"
    assert (tail(log), follower.new_lines()) == (shown, [shown])


def test_the_last_lines_of_a_server_are_those_of_both_its_logs(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path)
    own, server = log_files(settings, "kafka")
    own.parent.mkdir(parents=True)
    own.write_text("2026-11-24T08:00:01Z INFO one\n2026-11-24T08:00:04Z INFO four\n")
    server.write_text("[2026-11-24T08:00:02Z] two\n[2026-11-24T08:00:03Z] three\n")
    ends = [last_lines(settings, "kafka", count).split() for count in (0, 1, 3, 9)]
    assert [[word for word in end if word.isalpha() and word.islower()] for end in ends] == [
        [], ["four"], ["two", "three", "four"], ["one", "two", "three", "four"],
    ]  # fmt: skip


def test_lines_longer_than_a_block(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("first\n" + "x" * (3 * BLOCK_BYTES) + "\nlast\n")
    assert [len(line) for line in tail(log, 2).splitlines()] == [3 * BLOCK_BYTES, 4]


def test_a_follower_tells_whole_lines_once(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("old\n")
    follower = Follower(log).from_end()
    assert follower.new_lines() == []
    with log.open("a") as handle:
        handle.write("new\nhal")
    assert follower.new_lines() == ["new"]
    with log.open("a") as handle:
        handle.write("f\n")
    assert follower.new_lines() == ["half"]


def test_a_follower_goes_on_after_a_rotation(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("old\n")
    follower = Follower(log).from_end()
    log.rename(tmp_path / "a.log.1")
    log.write_text("after\n")
    assert follower.new_lines() == ["after"]


def test_every_service_has_a_log(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path)
    assert all(log_files(settings, name) for name in services())
    assert [file.name for file in log_files(settings, "kafka")] == ["kafka.log", "kafka-server.log"]
