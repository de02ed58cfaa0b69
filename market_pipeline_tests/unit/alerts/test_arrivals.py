"""Arrivals: bounded by Kafka's ends after a clock was set back, and kept for the days to come."""

from dataclasses import replace
from pathlib import Path

import pytest

from market_pipeline.alerts.arrivals import bounded, fingerprint, with_arrivals
from market_pipeline.alerts.history import ARRIVALS, KEPT_S, History
from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rules import zero_trades
from market_pipeline.alerts.signal import Verdict
from market_pipeline.alerts.smoke_tests import SmokeTests
from market_pipeline.supervision.servers import KafkaStatus
from market_pipeline_tests.unit.alerts.looks import WELL

T0 = WELL.now
HOUR = 3600.0


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "incidents.db")


def seen(now: float, arrivals: int | None, end: dict[int, int], *, canary_taken: bool = True) -> Look:
    kafka = KafkaStatus(live=bool(end), end=end)
    snapshot = replace(WELL.snapshot, kafka=kafka)
    return replace(WELL, now=now, arrivals=arrivals, snapshot=snapshot, canary_taken=canary_taken)


@pytest.mark.parametrize(
    ("arrivals", "ever", "before", "expected"),
    [
        (50, 1_000.0, [(T0 - 615, 940.0)], 50),
        (50, 1_000.0, [(T0 - 615, 1_000.0)], 0),
        (50, 1_000.0, [(T0 - 640, 900.0), (T0 - 615, 993.0), (T0 - 585, 1_000.0)], 7),
        (50, 1_000.0, [(T0 - 600, 1_000.0)], 50),  # younger than ten minutes and an answer
        (50, 1_000.0, [(T0 - 7_200, 1_000.0)], 50),  # nobody looked for two hours
        (50, 10.0, [(T0 - 615, 900.0)], 50),  # made anew
        (50, 1_000.0, [], 50),
        (None, 1_000.0, [(T0 - 615, 1_000.0)], None),
    ],
)
def test_no_more_came_than_kafkas_ends_moved_by(
    arrivals: int | None, ever: float, before: list[tuple[float, float]], expected: int | None
) -> None:
    assert bounded(arrivals, ever, before, T0) == expected


def test_a_dead_feed_is_seen_soon_after_a_clock_was_set_back_by_an_hour(history: History) -> None:
    """The clock is an hour ahead until T0; trades end at T0, and a canary goes out at each look all the time."""
    end = 1_000
    for number in range(-240, 0):
        end += 21  # twenty trades and the canary
        came = with_arrivals(seen(T0 + HOUR + 30 * number, 400, {0: end // 2, 1: end - end // 2}), history)
        assert came.arrivals == 400
    first_dead = None
    for number in range(60):
        end += 1
        look = with_arrivals(seen(T0 + 30 * number, 2_400, {0: end // 2, 1: end - end // 2}), history)
        if zero_trades.judge(look).verdict is Verdict.FAULT:
            first_dead = number * 30
            break
    assert first_dead is not None
    assert 600 <= first_dead <= 660


def test_canaries_are_taken_off_exactly_whether_kafka_took_them_or_not(history: History) -> None:
    end = 500
    for number in range(60):
        taken = number % 3 != 0
        end += taken
        if number % 7 == 3:  # Kafka did not tell its ends, after it had taken the canary
            look = with_arrivals(seen(T0 + 30 * number, None, {}, canary_taken=taken), history)
            continue
        arrivals = 9 if number > 24 else None
        look = with_arrivals(seen(T0 + 30 * number, arrivals, {0: end}, canary_taken=taken), history)
        assert look.arrivals == (0 if number > 24 else None)


def test_a_smoke_test_is_no_trade(history: History) -> None:
    """A person tests most when nothing comes: that must not end the incident."""
    with_arrivals(seen(T0 - 615, 0, {0: 500}, canary_taken=False), history)
    look = replace(seen(T0, 1, {0: 501}, canary_taken=False), smoke_tests=1)
    assert with_arrivals(look, history).arrivals == 0


def test_smoke_tests_are_counted_by_their_time(tmp_path: Path) -> None:
    tests = SmokeTests(tmp_path / "incidents.db")
    for at_ms in (1_000, 2_000, 3_000):
        tests.sending(at_ms * 1000)
    assert (tests.count(), tests.count(2_000), tests.count(2_000, 3_000)) == (3, 2, 1)


def test_arrivals_are_kept_every_five_minutes_for_each_list_of_symbols(history: History) -> None:
    for number in range(41):
        look = with_arrivals(seen(T0 + 30 * number, number, {}), history)
    assert look.past_arrivals == [(T0 + 300 * each, 10.0 * each) for each in range(5)]
    other = with_arrivals(replace(seen(T0 + 1_230, 7, {}), symbols=("MSFT",)), history)
    assert other.past_arrivals == [(T0 + 1_230, 7.0)]
    again = with_arrivals(replace(seen(T0 + 1_260, 7, {}), symbols=tuple(reversed(WELL.symbols))), history)
    assert len(again.past_arrivals) == 5
    unknown = with_arrivals(seen(T0 + 1_900, None, {}), history)
    assert len(unknown.past_arrivals) == 5
    # what no list of symbols of today is about goes as it gets old
    with_arrivals(replace(seen(T0 + 1_300 + KEPT_S[ARRIVALS], 8, {}), symbols=("MSFT",)), history)
    assert history.since(f"{ARRIVALS}/{fingerprint(WELL.feed, WELL.symbols)}", 0.0) == []


def test_a_fingerprint_is_of_the_feed_and_of_the_symbols_in_any_order() -> None:
    assert fingerprint("finnhub", ("A", "B")) == fingerprint("finnhub", ("B", "A"))
    assert (
        len({fingerprint("finnhub", ("A", "B")), fingerprint("simulator", ("A", "B")), fingerprint("finnhub", "A")})
        == 3
    )
