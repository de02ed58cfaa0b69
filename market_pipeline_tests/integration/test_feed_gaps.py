"""A down-time of the feed, from the receiver to rows of a real Cassandra and back to who asks for a day."""

import uuid
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from market_pipeline.feed.gap_recorder import GapRecorder
from market_pipeline.feed.gaps import Gap
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.store.daily_tables import gap_spans
from market_pipeline.store.feed_gaps import write_gaps

pytestmark = pytest.mark.real_servers

EVENING = datetime(2026, 11, 24, 23, 59, 58, 250_000, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 25, tzinfo=UTC)
MORNING = EVENING + timedelta(hours=7, milliseconds=4)


def epoch_us(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def test_a_gap_is_read_back_from_each_of_its_days_and_storing_it_again_changes_nothing(
    servers: Settings, tmp_path: Path
) -> None:
    symbols = tuple(f"TEST:{uuid.uuid4().hex[:8]}" for _ in range(2))
    recorder = GapRecorder(tmp_path / "gaps.json", partial(write_gaps, servers))
    for _ in range(2):
        recorder.down(Gap(epoch_us(EVENING), "closed by the server", symbols))
        recorder.up(epoch_us(MORNING))
        assert recorder.waiting == 1
        assert recorder.store_due()
        assert recorder.waiting == 0
    evening, midnight, morning = (moment.replace(tzinfo=None) for moment in (EVENING, MIDNIGHT, MORNING))
    with connect(servers) as session:
        for symbol in symbols:
            spans = [list(gap_spans(session, servers, symbol, [date(2026, 11, day)])) for day in (23, 24, 25, 26)]
            assert spans == [[], [(evening, midnight)], [(midnight, morning)], []]
            (row,) = session.execute(
                f"SELECT * FROM {servers.keyspace}.feed_gaps WHERE symbol = %s AND day = %s",
                (symbol, date(2026, 11, 24)),
            )
            assert row.reason == "closed by the server"


def test_gaps_wait_in_their_file_while_cassandra_is_away_and_are_stored_by_the_next_producer(
    servers: Settings, tmp_path: Path, free_port: int
) -> None:
    symbol = f"TEST:{uuid.uuid4().hex[:8]}"
    absent = Settings.load(cassandra_contact_points="127.0.0.1", cassandra_port=free_port)
    recorder = GapRecorder(tmp_path / "gaps.json", partial(write_gaps, absent))
    recorder.down(Gap(epoch_us(EVENING), "stopped", (symbol,)))
    recorder.up(epoch_us(EVENING) + 1_500_000)
    assert not recorder.store_due()
    assert recorder.waiting == 1
    assert GapRecorder(tmp_path / "gaps.json", partial(write_gaps, servers)).store_due()
    with connect(servers) as session:
        (span,) = gap_spans(session, servers, symbol, [EVENING.date()])
    assert span[1] - span[0] == timedelta(milliseconds=1500)
