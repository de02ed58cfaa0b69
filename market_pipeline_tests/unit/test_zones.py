"""No zone of the host leaks in: every time is UTC, on machines elsewhere and on days on which clocks change."""

import logging
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from market_pipeline.bronze.layout import hour_folder, hour_of
from market_pipeline.bronze.trades import utc
from market_pipeline.defs.partitions import DAILY
from market_pipeline.feed.gaps import Gap, rows_of
from market_pipeline.feed.program import log_to_stderr
from market_pipeline.feed.secrecy import Secrecy
from market_pipeline.quality.minutes import minutes_of
from market_pipeline.sessions import open_spans, regular_hours
from market_pipeline.store.cells import iso, text_cell
from market_pipeline.store.trades import epoch_ms
from market_pipeline.utc_day import day_hours, instant

CHANGES = [date(2026, 3, 8), date(2026, 11, 1), date(2026, 3, 29), date(2026, 10, 25)]
"""In New York and in Europe, forwards and back."""


@pytest.fixture(autouse=True, params=["UTC", "Asia/Kolkata", "America/New_York", "Europe/Berlin", "Pacific/Kiritimati"])
def _host_zone(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize("day", CHANGES)
def test_the_archive_has_24_folders_of_a_day_and_finds_each_again(day: date) -> None:
    hours = [int(at.timestamp()) // 3600 for at in day_hours(day)]
    assert [str(hour_folder(hour)) for hour in hours] == [f"date={day}/hour={hour:02d}" for hour in range(24)]
    assert [hour_of(hour_folder(hour)) for hour in hours] == list(hours)


@pytest.mark.parametrize("day", CHANGES)
def test_a_moment_survives_the_way_to_cassandra_and_back(day: date) -> None:
    for at in day_hours(day):
        of_the_driver = at.replace(tzinfo=None)
        assert utc(of_the_driver) == at == instant(epoch_ms(of_the_driver))


@pytest.mark.parametrize("day", CHANGES)
def test_a_gap_is_cut_at_midnight_utc(day: date) -> None:
    noon = day_hours(day)[12]
    start, end = (int(at.timestamp()) * 1_000_000 for at in (noon, noon + timedelta(days=1)))
    rows = list(rows_of(Gap(start, "x", ("A",), end)))
    assert [(row.day, row.started_at) for row in rows] == [
        (day, noon), (day + timedelta(days=1), noon + timedelta(hours=12)),
    ]  # fmt: skip


@pytest.mark.parametrize("day", CHANGES)
def test_a_day_has_1440_minutes(day: date) -> None:
    midnight = day_hours(day)[0]
    spans = open_spans("BINANCE:BTCUSDT", midnight, midnight + timedelta(days=1))
    assert len(set(minutes_of(spans, midnight + timedelta(days=2)))) == 1440


def test_what_is_shown_bears_its_zone() -> None:
    at = datetime(2026, 3, 8, 7, 30, tzinfo=UTC)
    assert iso(at) == iso(at.replace(tzinfo=None)) == text_cell(at) == "2026-03-08T07:30:00.000Z"


def test_the_log_of_the_feed_is_in_utc_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        log_to_stderr(Secrecy(None))
        (handler,) = root.handlers
        record = logging.LogRecord("a", logging.INFO, "", 0, "text", None, None)
        record.created, record.msecs = datetime(2026, 3, 8, 7, 30, tzinfo=UTC).timestamp(), 42.0
        assert handler.format(record) == "2026-03-08T07:30:00.042Z INFO a: text"
    finally:
        root.handlers[:], root.level = before


def test_sessions_are_new_yorks_wherever_we_are() -> None:
    opens = [hours[0].hour * 60 + hours[0].minute for day in (6, 9) if (hours := regular_hours(date(2026, 3, day)))]
    assert opens == [14 * 60 + 30, 13 * 60 + 30]


def test_a_partition_is_a_day_of_utc() -> None:
    window = DAILY.time_window_for_partition_key("2026-03-08")
    assert window.start.timestamp() == datetime(2026, 3, 8, tzinfo=UTC).timestamp()
    assert window.end.timestamp() - window.start.timestamp() == 86_400
