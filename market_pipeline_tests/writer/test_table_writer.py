"""The writer of a partition: its threads, and what a backlog of many symbols may take of requests and memory."""

import pytest

from market_pipeline_tests.writer.conftest import Program

SYMBOLS = 50_000


@pytest.mark.parametrize("bar_room", [10**6, 500])
def test_a_backlog_of_many_symbols_has_no_more_requests_in_flight_than_allowed(program: Program, bar_room: int) -> None:
    said, _ = program("Burst", str(SYMBOLS), "1000", str(bar_room)).communicate(timeout=120)
    taken_in, most_in_flight, *rows = map(int, said.split())
    assert taken_in < SYMBOLS
    assert most_in_flight <= 1_001  # a trade's minute is loaded when the trade is taken in
    assert rows == [SYMBOLS] * 3


def test_two_writers_with_threads_of_their_own_write_every_bar(program: Program) -> None:
    said, _ = program("Threads").communicate(timeout=120)
    assert said == "ok\n"


def test_a_statement_that_is_given_up_fails_the_task(program: Program) -> None:
    said, _ = program("Threads", "fail").communicate(timeout=60)
    assert said == "failed, failed\n"


def test_a_request_is_sent_again_while_cassandra_is_away_or_overloaded(program: Program) -> None:
    said, _ = program("RetryCheck").communicate(timeout=60)
    assert said.splitlines() == [
        "outage: answered after 5",
        "wrong: InvalidQueryException after 1",
        "closed: IllegalStateException after 2",
        "for good: NoNodeAvailableException after several",
    ]


def test_a_minute_is_counted_once_at_a_time_and_again_after_a_trade(program: Program) -> None:
    """Of two counts in flight the older may be answered last, and equal a bar that lacks another writer's trade."""
    said, _ = program("CountOrder").communicate(timeout=60)
    assert said == "1 0 1 1\n"  # counted, not while that count is out, again after it, and loaded anew
