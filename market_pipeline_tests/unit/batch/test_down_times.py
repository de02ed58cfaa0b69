"""Down-times that have no row yet are known from the producer's heartbeat."""

from datetime import UTC, datetime
from typing import Any

import pytest

from market_pipeline.batch.down_times import unheard_since
from market_pipeline.supervision.heartbeat import STALE_AFTER_S, Beat

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
DEAD = NOW - STALE_AFTER_S - 1


@pytest.mark.parametrize(
    ("beat_at", "detail", "since"),
    [
        (NOW, {"gap_since": None, "last_received_at": NOW - 60}, None),  # a quiet feed is heard all the same
        (NOW, {"gap_since": NOW - 7.5}, NOW - 7.5),
        (DEAD, {"gap_since": NOW - 99, "last_received_at": NOW - 100}, NOW - 99),  # stopped: its last word
        (DEAD, {"gap_since": None, "last_received_at": NOW - 60}, NOW - 60),  # killed
        (DEAD, {"gap_since": None, "last_received_at": None}, NOW - 3600),
        (NOW, {"gap_since": "yesterday"}, None),
        (NOW, {"error": "no detail"}, None),
    ],
)
def test_a_down_time_that_lasts_is_told_by_the_producers_heartbeat(
    beat_at: float, detail: dict[str, Any], since: float | None
) -> None:
    found = unheard_since(Beat("producer", 1, NOW - 3600, beat_at, detail), NOW)
    assert (found and found.timestamp()) == since


def test_where_no_producer_ever_ran_nothing_is_known_to_last() -> None:
    assert unheard_since(None, NOW) is None
