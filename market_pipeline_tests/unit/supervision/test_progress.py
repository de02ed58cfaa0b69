"""What is told of a program's progress, from its heartbeats: new data once, state now and then, and never an error."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.supervision.heartbeat import Beat
from market_pipeline.supervision.progress import (
    REPORT_EVERY_S,
    Told,
    decode_told,
    encode_told,
    producer_report,
    stream_report,
)

NOW = 1_763_000_000.0


def producer(**detail: Any) -> Beat:
    known = {"connected": True, "confirmed": 10, "received": 12, "last_trade_ts": int(NOW * 1000) - 500}
    return Beat("producer", 1, NOW - 100, NOW, known | detail)


def stream(**detail: Any) -> Beat:
    known = {"phase": "running", "offsets": {"0": 5, "1": 7}, "newest_event_ts": int(NOW * 1000), "lag": 3}
    return Beat("stream", 1, NOW - 100, NOW, known | detail)


def test_new_data_is_told_at_once_then_every_five_minutes() -> None:
    first = producer_report(producer(), Told(), NOW)
    assert (first.advanced, first.observed, first.state) == (True, True, "connected")
    assert first.figures == {"confirmed": 10, "received": 12}
    soon = producer_report(replace(producer(confirmed=20), beat_at=NOW + 29), first.told, NOW + 30)
    assert (soon.advanced, soon.observed) == (False, False)
    later = producer_report(replace(producer(confirmed=20), beat_at=NOW + 301), soon.told, NOW + REPORT_EVERY_S)
    assert later.advanced
    same = producer_report(producer(confirmed=20), later.told, NOW + 3 * REPORT_EVERY_S)
    assert not same.advanced
    assert same.state == "connected, but no heartbeat lately"


def test_a_restarted_producer_starts_to_count_again() -> None:
    told = producer_report(producer(confirmed=1000), Told(), NOW).told
    again = producer_report(replace(producer(confirmed=3), started_at=NOW), told, NOW + REPORT_EVERY_S)
    assert again.advanced


def test_nothing_confirmed_is_no_progress() -> None:
    assert not producer_report(producer(confirmed=0), Told(), NOW).advanced


def test_a_change_of_state_is_told_at_once() -> None:
    told = producer_report(producer(), Told(), NOW).told
    lost = producer_report(producer(connected=False, kafka_error="no broker"), told, NOW + 1)
    assert lost.observed
    assert lost.state == "not connected, Kafka: no broker"


def test_the_stream_tells_the_day_of_its_newest_trade() -> None:
    report = stream_report(stream(newest_event_ts=1_610_064_059_000), Told(), NOW)
    assert report.advanced
    assert report.newest == datetime(2021, 1, 8, 0, 0, 59, tzinfo=UTC)
    assert report.day == date(2021, 1, 8)
    assert not stream_report(stream(newest_event_ts=1_610_064_059_000), report.told, NOW + 1000).advanced


def test_no_heartbeat_is_a_state_not_an_error() -> None:
    report = stream_report(None, Told(), NOW)
    assert (report.state, report.advanced, report.observed) == ("no heartbeat", False, True)
    assert not stream_report(None, report.told, NOW + 30).observed


def test_a_clock_that_was_set_back_silences_nothing() -> None:
    told = stream_report(stream(), Told(), NOW).told
    report = stream_report(stream(offsets={"0": 6, "1": 7}), told, NOW - 3600)
    assert report.advanced
    assert report.observed


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.dictionaries(st.text(max_size=3), st.one_of(st.integers(), st.text(max_size=3), st.none()), max_size=3),
)  # fmt: skip


@given(
    detail=st.dictionaries(
        st.sampled_from(["connected", "confirmed", "last_trade_ts", "phase", "offsets", "newest_event_ts", "lag"]),
        anything,
    )
)
def test_whatever_a_heartbeat_holds_is_survived(detail: dict[str, Any]) -> None:
    for judge in (producer_report, stream_report):
        report = judge(Beat("x", 1, NOW, NOW, detail), Told(), NOW)
        assert decode_told(encode_told({"x": report.told})) == {"x": report.told}


@pytest.mark.parametrize("cursor", [None, "", "nonsense", "[]", '{"stream": 5}', '{"stream": {"mark": "1"}}', "null"])
def test_a_cursor_that_is_none_of_ours_means_nothing_was_told(cursor: str | None) -> None:
    assert decode_told(cursor) == {}
