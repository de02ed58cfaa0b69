"""A down-time of the feed, from the receiver to rows of a real Cassandra and back to who asks for a day."""

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cassandra.cluster import Session

from market_pipeline.feed.gap_recorder import GapRecorder
from market_pipeline.feed.gaps import Gap
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.store.completeness import judge_day, judge_minutes
from market_pipeline.store.feed_gaps import gap_spans, write_gaps

pytestmark = pytest.mark.real_servers

EVENING = datetime(2026, 11, 24, 23, 59, 58, 250_000, tzinfo=UTC)
YESTERDAY = datetime(2026, 11, 23, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 25, tzinfo=UTC)
MORNING = EVENING + timedelta(hours=7, milliseconds=4)


def epoch_us(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def test_a_gap_is_read_back_from_each_of_its_days_and_storing_it_again_changes_nothing(
    servers: Settings, tmp_path: Path
) -> None:
    symbols = tuple(f"TEST:{uuid.uuid4().hex[:8]}" for _ in range(2))
    recorder = GapRecorder(tmp_path / "gaps.json", partial(write_gaps, servers))
    recorder.up(epoch_us(YESTERDAY), symbols)
    for _ in range(2):
        recorder.down(Gap(epoch_us(EVENING), "closed by the server", symbols))
        recorder.up(epoch_us(MORNING), symbols)
        assert recorder.waiting == 1
        assert recorder.store_due()
        assert recorder.waiting == 0
    with connect(servers) as session:
        for symbol in symbols:
            spans = [list(gap_spans(session, servers, symbol, [date(2026, 11, day)])) for day in (23, 24, 25, 26)]
            assert spans == [[], [(EVENING, MIDNIGHT)], [(MIDNIGHT, MORNING)], []]
            (row,) = session.execute(
                f"SELECT * FROM {servers.keyspace}.feed_gaps WHERE symbol = %s AND day = %s",
                (symbol, date(2026, 11, 24)),
            )
            assert row.reason == "closed by the server"


def test_gaps_wait_in_their_file_while_cassandra_is_away_and_are_stored_by_the_next_producer(
    servers: Settings, tmp_path: Path, refusing_port: int
) -> None:
    symbol = f"TEST:{uuid.uuid4().hex[:8]}"
    absent = Settings.load(cassandra_contact_points="127.0.0.1", cassandra_port=refusing_port)
    recorder = GapRecorder(tmp_path / "gaps.json", partial(write_gaps, absent))
    recorder.up(epoch_us(YESTERDAY), (symbol,))
    recorder.down(Gap(epoch_us(EVENING), "stopped", (symbol,)))
    recorder.up(epoch_us(EVENING) + 1_500_000, (symbol,))
    assert not recorder.store_due()
    assert recorder.waiting == 1
    assert GapRecorder(tmp_path / "gaps.json", partial(write_gaps, servers)).store_due()
    with connect(servers) as session:
        (span,) = gap_spans(session, servers, symbol, [EVENING.date()])
    assert span[1] - span[0] == timedelta(milliseconds=1500)


DAY = date(2026, 11, 23)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def session(servers: Settings) -> Iterator[Session]:
    with connect(servers) as opened:
        yield opened


class Bars:
    """Bars of a symbol of one test, as the stream and the batch write them, and what the table says of them."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self.session, self.keyspace = session, settings.keyspace
        self.symbol = f"TEST:{uuid.uuid4().hex[:8]}"

    def write(self, *minutes: int, price: int = 5, ttl: int = 1_000_000) -> None:
        """Bars of so many minutes after noon, with none of the columns that the stream does not name."""
        for minute in minutes:
            self.session.execute(
                f"INSERT INTO {self.keyspace}.ohlcv_1m (symbol, day, ts, open, high, low, close, volume, trades) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, 1, 1) USING TTL %s",
                (self.symbol, DAY, NOON + timedelta(minutes=minute), *[price] * 4, ttl),
            )

    def write_day(self) -> None:
        self.session.execute(
            f"INSERT INTO {self.keyspace}.ohlcv_1d (symbol, day, open, trades) VALUES (%s, %s, 5, 1)",
            (self.symbol, DAY),
        )

    def gap(self, start_s: float, end_s: float) -> tuple[str, date, datetime, datetime, str]:
        """A row of a down-time from and to so many seconds after noon."""
        return self.symbol, DAY, NOON + timedelta(seconds=start_s), NOON + timedelta(seconds=end_s), "test"

    def rows(self, columns: str) -> list[Any]:
        ask = f"SELECT {columns} FROM {self.keyspace}.ohlcv_1m WHERE symbol = %s AND day = %s ORDER BY ts"
        return list(self.session.execute(ask, (self.symbol, DAY)))

    @property
    def complete(self) -> dict[int, bool | None]:
        """By the minute after noon."""
        noon = NOON.replace(tzinfo=None)
        return {(row.ts - noon) // timedelta(minutes=1): row.complete for row in self.rows("ts, complete")}

    @property
    def day_complete(self) -> list[bool | None]:
        ask = f"SELECT complete FROM {self.keyspace}.ohlcv_1d WHERE symbol = %s AND day = %s"
        return [row.complete for row in self.session.execute(ask, (self.symbol, DAY))]


@pytest.fixture
def bars(session: Session, servers: Settings) -> Bars:
    return Bars(session, servers)


def now_us() -> int:
    return time.time_ns() // 1000


def test_bars_that_overlap_a_gap_are_marked_incomplete_and_no_bar_appears(bars: Bars, servers: Settings) -> None:
    bars.write(0, 1, 2, 5)
    bars.write_day()
    write_gaps(servers, [bars.gap(119, 240)])  # into minute 1, through 2 and 3 (which has no bar), not into 4
    assert bars.complete == {0: None, 1: False, 2: False, 5: None}
    assert bars.day_complete == [False]
    other = Bars(bars.session, servers)
    write_gaps(servers, [other.gap(0, 60)])
    assert (other.complete, other.day_complete) == ({}, [])


def test_the_stream_that_writes_a_bar_again_leaves_its_verdict(bars: Bars, servers: Settings) -> None:
    bars.write(0)
    write_gaps(servers, [bars.gap(1, 2)])
    bars.write(0, price=7)
    assert [(row.open, row.complete) for row in bars.rows("open, complete")] == [(7, False)]


def test_the_batch_judges_every_bar_that_is_over_and_the_day(bars: Bars, session: Session, servers: Settings) -> None:
    bars.write(0, 1, 2)
    bars.write_day()
    write_gaps(servers, [bars.gap(61, 62)])
    found = list(gap_spans(session, servers, bars.symbol, [DAY]))
    running = int((NOON + timedelta(minutes=2, seconds=30)).timestamp() * 1e6)
    assert judge_minutes(session, servers, bars.symbol, DAY, found, running) == 1
    assert bars.complete == {0: True, 1: False, 2: None}
    assert judge_minutes(session, servers, bars.symbol, DAY, found, now_us()) == 1
    assert bars.complete == {0: True, 1: False, 2: True}
    assert judge_day(session, servers, bars.symbol, DAY, found, now_us()) is False
    assert bars.day_complete == [False]
    assert judge_day(session, servers, bars.symbol, DAY, [], now_us()) is True
    assert bars.day_complete == [True]


def test_a_gap_that_is_stored_while_the_batch_judges_wins(bars: Bars, session: Session, servers: Settings) -> None:
    bars.write(0)
    as_of_us, known = now_us(), list(gap_spans(session, servers, bars.symbol, [DAY]))
    write_gaps(servers, [bars.gap(1, 2)])
    judge_minutes(session, servers, bars.symbol, DAY, known, as_of_us)
    assert bars.complete == {0: False}


def test_a_verdict_leaves_with_its_bar(bars: Bars, session: Session, servers: Settings) -> None:
    """Also when a rebuild deletes the bar, at a moment before the verdict was written."""
    bars.write(0, ttl=5_000)
    bars.write(1)
    as_of_us = now_us()
    write_gaps(servers, [bars.gap(1, 62)])
    (first, _) = bars.rows("TTL(open) AS bar, TTL(complete) AS verdict")
    assert 0 < first.verdict <= 5_000
    delete = f"DELETE FROM {servers.keyspace}.ohlcv_1m USING TIMESTAMP %s WHERE symbol = %s AND day = %s AND ts = %s"
    session.execute(delete, (as_of_us, bars.symbol, DAY, NOON))
    assert bars.complete == {0: False, 1: False}
    judge_minutes(session, servers, bars.symbol, DAY, [], now_us())
    assert bars.complete == {1: True}


def test_a_down_time_while_its_market_is_closed_spoils_no_day(session: Session, servers: Settings) -> None:
    bars = Bars(session, servers)
    bars.symbol = f"T{uuid.uuid4().hex[:8]}"  # a stock: the market opens at 09:00 UTC, at 04:00 in New York
    bars.write_day()
    write_gaps(servers, [bars.gap(-5 * 3600, -3 * 3600 - 1)])
    assert bars.day_complete == [None]
    write_gaps(servers, [bars.gap(-3 * 3600 - 1, -3 * 3600 + 1)])
    assert bars.day_complete == [False]


def test_a_gap_is_told_in_whole_milliseconds_and_never_too_short(session: Session, servers: Settings) -> None:
    symbol = f"TEST:{uuid.uuid4().hex[:8]}"
    start = NOON.replace(microsecond=1_999)
    write_gaps(servers, [(symbol, DAY, start, NOON.replace(minute=1, microsecond=1), "test")])
    (span,) = gap_spans(session, servers, symbol, [DAY])
    assert span == (NOON.replace(microsecond=1_000), NOON.replace(minute=1, microsecond=1_000))
