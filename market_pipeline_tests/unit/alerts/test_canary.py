"""The canaries' book: what Kafka has, what is in flight, and what is forgotten."""

from pathlib import Path

import pytest

from market_pipeline.alerts.canary import AWAITED_S, KEPT_S, Canaries, Flight

T0_MS = 1_800_000_000_000
T0_US = T0_MS * 1000


@pytest.fixture
def canaries(tmp_path: Path) -> Canaries:
    return Canaries(tmp_path / "incidents.db")


def test_one_that_kafka_has_is_in_flight_until_it_arrives_or_nobody_waits_any_more(canaries: Canaries) -> None:
    canaries.sending(T0_US)
    canaries.taken(T0_US)
    assert canaries.in_flight(T0_MS / 1000 + AWAITED_S - 1) == [T0_US]
    assert canaries.in_flight(T0_MS / 1000 + AWAITED_S) == []
    assert canaries.since(T0_MS) == [Flight(T0_MS / 1000, None)]
    canaries.arrived(T0_US, 0.25)
    assert canaries.in_flight(T0_MS / 1000) == []
    assert canaries.since(T0_MS) == canaries.since(T0_MS, T0_MS + 1) == [Flight(T0_MS / 1000, 0.25)]
    assert canaries.since(T0_MS + 1) == canaries.since(0, T0_MS) == []


def test_one_that_kafka_said_nothing_of_is_looked_for_and_counted_when_it_came(canaries: Canaries) -> None:
    canaries.sending(T0_US)
    assert canaries.in_flight(T0_MS / 1000) == [T0_US]
    assert canaries.since(T0_MS) == []
    canaries.arrived(T0_US, 3.0)
    assert canaries.since(T0_MS) == [Flight(T0_MS / 1000, 3.0)]


def test_an_old_one_is_forgotten(canaries: Canaries) -> None:
    canaries.sending(T0_US)
    canaries.arrived(T0_US, 0.1)
    canaries.sending(T0_US + int(KEPT_S * 1e6) + 1)
    assert canaries.since(0) == []
