"""What a backlog of many symbols may take: requests in flight, of which a connection has 8,192, and memory."""

import pytest

from market_pipeline_tests.writer.conftest import Program

SYMBOLS = 20_000


@pytest.mark.parametrize("bar_room", [10**6, 500])
def test_a_backlog_of_many_symbols_has_no_more_requests_in_flight_than_allowed(program: Program, bar_room: int) -> None:
    said, _ = program("Burst", str(SYMBOLS), "1000", str(bar_room)).communicate(timeout=120)
    taken_in, most_in_flight, *rows = map(int, said.split())
    assert taken_in < SYMBOLS
    assert most_in_flight <= 1_001  # a trade's minute is loaded when the trade is taken in
    assert rows == [SYMBOLS] * 3
