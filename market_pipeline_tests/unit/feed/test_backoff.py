"""Waits between tries: jittered, bounded, polite."""

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.feed.backoff import ASKED_CAP_S, Backoff, retry_after_s

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC).timestamp()


def test_the_upper_end_doubles_from_try_to_try_up_to_the_cap() -> None:
    longest = Backoff(lambda: 0.999999999)
    assert [round(longest.next()) for _ in range(8)] == [2, 4, 8, 16, 32, 60, 60, 60]


def test_full_jitter_from_the_floor_on() -> None:
    assert Backoff(lambda: 0.0).next() == 1.0
    chance = random.Random(5)
    waits = []
    for _ in range(500):
        backoff = Backoff(chance.random)
        waits.append([backoff.next() for _ in range(6)][-1])
    assert min(waits) < 5
    assert max(waits) > 55
    assert 27 < sum(waits) / len(waits) < 34


def test_it_never_gives_up_through_an_outage_of_hours() -> None:
    backoff = Backoff(random.Random(1).random)
    assert all(1.0 <= backoff.next() <= 60.0 for _ in range(10_000))


def test_reset_starts_anew() -> None:
    backoff = Backoff(lambda: 0.999999999)
    for _ in range(10):
        backoff.next()
    backoff.reset()
    assert round(backoff.next()) == 2


def test_what_the_server_asked_for_is_honoured_even_above_the_cap() -> None:
    backoff = Backoff(lambda: 0.5)
    assert backoff.next(retry_after_s=300.0) == 300.0
    assert backoff.next(retry_after_s=0.5) >= 1.0


@pytest.mark.parametrize("header", ["86400", "9" * 30, "9" * 5000, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_the_server_may_not_ask_for_more_than_an_hour(header: str) -> None:
    wait = Backoff(lambda: 0.5).next(retry_after_s(header, NOW))
    assert wait == ASKED_CAP_S == 3600.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Tue, 24 Nov 2026 12:01:30 GMT", 90.0),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("²", None),
        (None, None),
    ],
)
def test_retry_after_in_seconds_or_as_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, NOW) == seconds


@given(st.text(max_size=30))
def test_no_header_breaks_it(header: str) -> None:
    seconds = retry_after_s(header, NOW)
    assert seconds is None or seconds >= 0
