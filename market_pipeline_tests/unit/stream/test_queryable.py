from datetime import UTC, datetime
from decimal import Decimal

import pytest

from market_pipeline.model import Trade, canary, encode, trade_id
from market_pipeline.stream.queryable import Awaited, Queryable, View, Waiting, first_of, newest_of
from market_pipeline.stream.visibility import is_row_of

TOPIC = "trades_raw"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def trade(received_at: int) -> Trade:
    return Trade("A", Decimal(1), Decimal(1), received_at // 1000, str(received_at), 0, "test", received_at)


def test_nobody_waits_for_a_probe() -> None:
    probe, real = encode(canary(1_764_000_001_000_000)), trade(1_764_000_000_000_000)
    assert newest_of(9, [(7, encode(real)), (8, probe)]) == Awaited(9, real)
    assert newest_of(9, [(8, probe)]) == Awaited(9, None)


def test_lag_is_unknown_until_each_partition_was_seen() -> None:
    reckoning = Queryable(TOPIC)
    assert reckoning.ends({0: 10, 1: 5}) == [0, 1]
    assert reckoning.view().lag is None
    reckoning.wait_for(0, Awaited(10, trade(1_000_000)))
    reckoning.found(0)
    assert reckoning.view().lag is None
    reckoning.reached({1: 5})
    assert reckoning.view().lag == 0


def test_an_empty_partition_has_no_lag() -> None:
    reckoning = Queryable(TOPIC)
    assert reckoning.ends({0: 0}) == []
    assert reckoning.view().lag == 0


def test_what_is_awaited_stays_until_it_is_found_while_the_end_moves() -> None:
    reckoning = Queryable(TOPIC)
    reckoning.reached({0: 0})
    reckoning.ends({0: 10})
    reckoning.wait_for(0, Awaited(10, trade(1_000_000)))
    assert reckoning.ends({0: 25}) == []
    assert reckoning.view().lag == 25
    reckoning.found(0)
    assert reckoning.view().lag == 15
    assert reckoning.ends({0: 25}) == [0]


def test_what_spark_has_passed_and_did_not_write_is_awaited_no_longer() -> None:
    reckoning = Queryable(TOPIC)
    reckoning.ends({0: 10})
    reckoning.wait_for(0, Awaited(10, trade(1_000_000)))
    reckoning.reached({0: 9})
    assert 0 in reckoning.awaited
    reckoning.reached({0: 12})
    assert reckoning.awaited == {}
    assert reckoning.ends({0: 15}) == [0]


def test_offsets_never_go_back() -> None:
    reckoning = Queryable(TOPIC)
    reckoning.ends({0: 30})
    reckoning.reached({0: 20})
    reckoning.reached({0: 10})
    assert reckoning.view().offsets == {0: 20}


def test_the_newest_trade_is_the_one_received_last() -> None:
    reckoning = Queryable(TOPIC)
    reckoning.ends({0: 1, 1: 1})
    for partition, received_at in ((0, 5_000_000), (1, 4_000_000)):
        reckoning.wait_for(partition, Awaited(1, trade(received_at)))
        reckoning.found(partition)
    view = reckoning.view()
    assert view.newest_received_at == 5_000_000
    assert view.newest_age_s(7.5) == 2.5
    assert view.newest_age_s(4.0) == 0.0


@pytest.mark.parametrize(
    ("view", "flows"),
    [
        (View(lag=0), True),  # nobody trades, and nothing waits
        (View(lag=700, newest_received_at=99_000_000), True),
        (View(lag=700, newest_received_at=97_000_000), False),  # a backlog is worked off
        (View(lag=1), False),
        (View(), False),
    ],
)
def test_trades_flow_when_the_newest_is_young_or_none_waits(view: View, flows: bool) -> None:
    assert view.flows(100.0) is flows


def test_dead_letters_at_the_end_count_as_seen() -> None:
    reckoning = Queryable(TOPIC)
    reckoning.ends({0: 3})
    reckoning.wait_for(0, Awaited(3, None))
    reckoning.found(0)
    assert (reckoning.view().lag, reckoning.view().newest_ts) == (0, None)


def test_rate_is_of_the_last_minute() -> None:
    clock = Clock()
    reckoning = Queryable(TOPIC, clock)
    for second in range(200):
        clock.now = float(second)
        reckoning.ends({0: 9_000_000})
        reckoning.reached({0: 1_000_000 + (second * 100 if second < 100 else 10_000 + (second - 100) * 10)})
        reckoning.view()
    assert 9 <= reckoning.view().input_rate <= 11


def test_a_stream_that_hangs_has_no_rate_however_much_comes_in() -> None:
    clock = Clock()
    reckoning = Queryable(TOPIC, clock)
    reckoning.ends({0: 100, 1: 0})
    assert reckoning.view().input_rate == 0
    reckoning.reached({0: 100})
    for second in range(120):
        clock.now = float(second)
        reckoning.ends({0: 100 + second * 1000, 1: 0})
        reckoning.view()
    assert (reckoning.view().input_rate, reckoning.view().lag) == (0, 119_000)


def test_a_topic_that_was_made_anew_has_no_lag_of_zero() -> None:
    reckoning = Queryable(TOPIC)
    reckoning.reached({0: 50, 1: 7})
    reckoning.ends({0: 12, 1: 7})
    view = reckoning.view()
    assert view.lag is None
    (only,) = view.beyond_end
    assert (only.partition, only.wanted, only.end) == (0, 50, 12)
    reckoning.ends({0: 50, 1: 8})
    assert (reckoning.view().lag, reckoning.view().beyond_end) == (1, ())


REAL = Trade("A", Decimal(1), Decimal(1), 1_763_000_000_000, trade_id(1_763_000_000_000_000, 0), 0, "finnhub",
             1_763_000_000_000_000)  # fmt: skip
VALUE, RUBBISH = encode(REAL), b"rubbish"


@pytest.mark.parametrize(
    ("records", "awaited"),
    [
        ([], None),
        ([(7, VALUE), (8, RUBBISH)], None),  # the fetch ended before the last record came
        ([(9, VALUE)], Awaited(10, REAL)),
        ([(7, RUBBISH), (8, VALUE), (9, RUBBISH)], Awaited(10, REAL)),
        ([(8, RUBBISH), (9, RUBBISH)], Awaited(10, None)),
    ],
)
def test_nothing_is_concluded_before_the_last_record_was_read(
    records: list[tuple[int, bytes]], awaited: Awaited | None
) -> None:
    assert newest_of(10, records) == awaited


def test_waiting_does_not_advance_and_no_lag_does() -> None:
    clock = Clock()
    reckoning = Queryable(TOPIC, clock)
    reckoning.reached({0: 5})
    reckoning.ends({0: 5})
    clock.now = 50
    reckoning.view()
    assert reckoning.advanced_at == 50
    reckoning.ends({0: 6})
    clock.now = 80
    reckoning.view()
    assert reckoning.advanced_at == 50


def test_the_slowest_partition_gives_the_age_whatever_another_ones_newest_trade_is() -> None:
    """13,273 records waited in one partition while the newest trade of the other was 0.28 s old."""
    reckoning = Queryable(TOPIC)
    reckoning.ends({0: 13_300, 1: 50})
    reckoning.reached({0: 27, 1: 40})
    reckoning.wait_for(1, Awaited(50, trade(1_000_000_000)))
    reckoning.found(1)
    assert reckoning.unread() == {0: 27}
    reckoning.oldest_is(0, 27, received_at=959_000_000)
    view = reckoning.view()
    assert (view.lag, view.slowest) == (13_273, Waiting(0, 959_000_000))
    assert view.waiting_age_s(1_000.28) == pytest.approx(41.28)
    assert view.newest_age_s(1_000.28) == pytest.approx(0.28)


def test_the_age_is_not_known_until_the_record_was_read_and_is_read_again_when_the_stream_gets_on() -> None:
    reckoning = Queryable(TOPIC)
    reckoning.ends({0: 10})
    reckoning.reached({0: 4})
    assert reckoning.view().waiting_age_s(5.0) is None
    assert reckoning.unread() == {0: 4}
    reckoning.oldest_is(0, 4, received_at=2_000_000)
    assert reckoning.unread() == {}
    assert reckoning.view().waiting_age_s(5.0) == 3.0
    reckoning.reached({0: 7})
    assert reckoning.unread() == {0: 7}
    assert reckoning.view().slowest is None
    reckoning.reached({0: 10})
    assert reckoning.unread() == {}
    assert reckoning.view().waiting_age_s(5.0) == 0.0


def test_a_dead_letter_is_no_trade_that_waits() -> None:
    real = trade(1_764_000_000_000_000)
    assert first_of([(7, b"no trade"), (8, encode(real))]) == real
    assert first_of([(7, b"no trade")]) is None


@pytest.mark.parametrize(("stored_ms", "found"), [(1_764_000_000_122, False), (1_764_000_000_123, True), (None, True)])
def test_a_row_of_an_earlier_replay_is_not_this_receipt_of_the_trade(stored_ms: int | None, found: bool) -> None:
    stored = None if stored_ms is None else datetime.fromtimestamp(stored_ms / 1000, UTC).replace(tzinfo=None)
    assert is_row_of(trade(1_764_000_000_123_456), stored) is found
