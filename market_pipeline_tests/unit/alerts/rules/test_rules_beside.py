"""What the rules beside the runbook's four say, on looks that are made by hand."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.alerts.look import DeadLetters, Look
from market_pipeline.alerts.lookout import reason_of
from market_pipeline.alerts.rules import (
    cassandra_disk,
    clock,
    consumer_lag,
    dead_letters,
    feed_gap,
    high_latency,
    journal_filling,
    key,
    stream_stalled,
    vendor_delay,
)
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Verdict
from market_pipeline.supervision.disk import Disk
from market_pipeline.supervision.servers import KafkaStatus
from market_pipeline_tests.unit.alerts.looks import BUSY, RUNNING, WELL

SATURDAY = datetime(2026, 11, 28, 15, tzinfo=UTC).timestamp()
DAY_S = 86_400.0


def stream(uptime_s: float = 1000.0, **said: Any) -> Look:
    word = replace(WELL.snapshot.stream, **({"lag": 7} | said))
    processes = {"stream": replace(RUNNING, uptime_s=uptime_s)}
    return replace(WELL, snapshot=replace(WELL.snapshot, processes=processes, stream=word))


def feed(of: str = "finnhub", now: float = BUSY, **said: Any) -> Look:
    return replace(WELL, feed=of, now=now, snapshot=replace(WELL.snapshot, feed=replace(WELL.snapshot.feed, **said)))


def lags(*values: float) -> Look:
    first = BUSY - 30.0 * (len(values) - 1)
    return replace(WELL, lags=[(first + 30.0 * index, value) for index, value in enumerate(values)])


@pytest.mark.parametrize(
    ("look", "verdict", "text"),
    [
        (stream(last_progress_age_s=181.0), Verdict.FAULT, "181 s ago, in phase running"),
        (stream(last_progress_age_s=179.0), Verdict.FINE, "179 s ago"),
        (stream(last_progress_age_s=36_000.0, lag=0), Verdict.FINE, "nothing waits"),  # a closed market
        (stream(last_progress_age_s=600.0, lag=None), Verdict.FAULT, "600 s ago"),
        (stream(last_progress_age_s=900.0, uptime_s=60.0), Verdict.FINE, "60 s ago"),  # of the process before
        (stream(last_progress_age_s=None, uptime_s=400.0), Verdict.FAULT, "400 s ago"),
        (stream(phase="starting", uptime_s=301.0), Verdict.FAULT, "has not come up"),
        (stream(phase="starting", uptime_s=60.0), Verdict.UNKNOWN, "has not come up"),
        (stream(silent_s=30.0), Verdict.UNKNOWN, "rules of their own"),
        (replace(WELL, snapshot=replace(WELL.snapshot, kafka=KafkaStatus())), Verdict.UNKNOWN, "without Kafka"),
    ],
)
def test_a_stream_that_gets_nowhere(look: Look, verdict: Verdict, text: str) -> None:
    signal = stream_stalled.judge(look)
    assert (signal.verdict, signal.subject) == (verdict, "stream")
    assert text in signal.text


RISING = [float(500 * step) for step in range(20)]


@pytest.mark.parametrize(
    ("look", "verdict"),
    [
        (lags(*RISING), Verdict.FAULT),
        (lags(*reversed(RISING)), Verdict.FINE),  # a catch-up
        (lags(*RISING[:17], 20_000.0, 900.0, 0.0), Verdict.FINE),  # it rose, and has been caught up
        (lags(*[50_000.0] * 20), Verdict.FINE),  # much, and no more than before
        (lags(*[each / 20 for each in RISING]), Verdict.FINE),  # what a commit more or less makes
        (lags(*RISING[:8]), Verdict.UNKNOWN),
        (replace(lags(*RISING), snapshot=stream(lag=None).snapshot), Verdict.UNKNOWN),  # old figures
        (replace(lags(*RISING), now=BUSY + 3_600), Verdict.UNKNOWN),  # nobody has looked since
    ],
)
def test_a_lag_is_judged_by_its_trend(look: Look, verdict: Verdict) -> None:
    assert consumer_lag.judge(look).verdict is verdict


@given(st.lists(st.floats(0, 1e9), min_size=9, max_size=40), st.integers(0, 39))
def test_one_look_that_is_off_makes_no_trend(values: list[float], at: int) -> None:
    flat = [1_000_000.0] * len(values)
    flat[at % len(flat)] = values[0]
    assert consumer_lag.judge(lags(*flat)).verdict is Verdict.FINE


@pytest.mark.parametrize(
    ("letters", "arrivals", "verdict", "severity"),
    [
        (DeadLetters(19), 100, Verdict.FINE, None),
        (DeadLetters(20), 2_000, Verdict.FINE, None),  # 1 % is not more than 1 %
        (DeadLetters(21, {"price": 21}), 2_000, Verdict.FAULT, None),
        (DeadLetters(300, {"price": 21}), 2_000, Verdict.FAULT, Severity.P2),
        (DeadLetters(50), 0, Verdict.FAULT, Severity.P2),  # frames that never were records
        (None, 2_000, Verdict.UNKNOWN, None),
        (DeadLetters(50), None, Verdict.UNKNOWN, None),
    ],
)
def test_a_burst_of_dead_letters(
    letters: DeadLetters | None, arrivals: int | None, verdict: Verdict, severity: Severity | None
) -> None:
    signal = dead_letters.judge(replace(WELL, dead_letters=letters, arrivals=arrivals))
    assert (signal.verdict, signal.severity) == (verdict, severity)
    if verdict is Verdict.FAULT and letters is not None:
        read = sum(letters.reasons.values())
        name = "reasons" if read == letters.count else f"reasons of the newest {read}"
        assert signal.evidence[name] == dict(letters.reasons)
        assert "replay_dead_letters" in signal.evidence["after a fix"]


def test_the_reason_of_a_dead_letter_is_its_headers() -> None:
    assert reason_of([("detail", b"x"), ("reason", b"price")]) == "price"
    assert reason_of([]) == "no reason told"


@pytest.mark.parametrize(
    ("look", "verdict"),
    [
        (feed(gap_since=BUSY - 61, gap_reason="unreachable"), Verdict.FAULT),
        (feed(gap_since=BUSY - 59), Verdict.FINE),
        (feed("replay", gap_since=BUSY - 600), Verdict.FINE),
        (feed(gap_since=SATURDAY - 600, now=SATURDAY), Verdict.FAULT),  # crypto is in session
        (replace(feed(gap_since=SATURDAY - 600, now=SATURDAY), symbols=("AAPL",)), Verdict.FINE),
        (feed(silent_s=40.0), Verdict.UNKNOWN),
        (feed(name=None), Verdict.UNKNOWN),
    ],
)
def test_a_gap_that_lasts(look: Look, verdict: Verdict) -> None:
    assert feed_gap.judge(look).verdict is verdict


def journal(size: int, waiting: int, oldest_s: float) -> dict[str, float]:
    return {"bytes": size, "unconfirmed_frames": waiting, "oldest_unconfirmed_age_s": oldest_s}


@pytest.mark.parametrize(
    ("said", "verdict", "severity"),
    [
        ({"journal_error": "No space left on device"}, Verdict.FAULT, Severity.P1),
        ({"journal": journal(1, 9, 301.0)}, Verdict.FAULT, None),
        ({"journal": journal(1, 9, 299.0)}, Verdict.FINE, None),
        ({"journal": journal(4_000_000_000, 9, 9.0)}, Verdict.FAULT, Severity.P1),
        ({"journal": journal(4_000_000_000, 0, 0.0)}, Verdict.FINE, None),
        ({"journal": None}, Verdict.UNKNOWN, None),
    ],
)
def test_a_journal_that_fills(said: dict[str, Any], verdict: Verdict, severity: Severity | None) -> None:
    signal = journal_filling.judge(feed(**said))
    assert (signal.verdict, signal.severity) == (verdict, severity)


def refused(reason: str, ago_s: float) -> dict[str, object]:
    return {"reason": reason, "detail": "", "at": BUSY - ago_s}


@pytest.mark.parametrize(
    ("look", "verdict", "severity"),
    [
        (feed(), Verdict.FINE, None),
        (feed("simulator"), Verdict.FINE, None),
        (feed(name=None, last_disconnect=None), Verdict.UNKNOWN, None),
        (feed(connected=False, last_disconnect=refused("key refused", 9_000)), Verdict.FAULT, Severity.P1),
        (feed(last_disconnect=refused("key in use elsewhere", 60)), Verdict.FAULT, Severity.P2),
        (feed(last_disconnect=refused("key in use elsewhere", 901)), Verdict.FINE, None),
        (feed(connected=False, last_disconnect=refused("rate limited", 60)), Verdict.FAULT, Severity.P3),
        (feed(last_disconnect=refused("closed by the server", 60)), Verdict.FINE, None),
    ],
)
def test_a_key_that_the_vendor_does_not_want(look: Look, verdict: Verdict, severity: Severity | None) -> None:
    signal = key.judge(look)
    assert (signal.verdict, signal.severity) == (verdict, severity)


@pytest.mark.parametrize(("slow", "verdict"), [(True, Verdict.FAULT), (False, Verdict.FINE), (None, Verdict.UNKNOWN)])
def test_a_clock_that_is_behind(slow: bool | None, verdict: Verdict) -> None:
    assert clock.judge(feed(clock_is_slow=slow)).verdict is verdict


@pytest.mark.parametrize(
    ("delays_s", "of", "verdict"),
    [
        ((61.0, 61.0, 0.1), "finnhub", Verdict.FAULT),
        ((61.0, 0.1, 0.1), "finnhub", Verdict.FINE),  # one that trades seldom
        ((9e6, 9e6), "replay", Verdict.FINE),
        ((), "finnhub", Verdict.FINE),
        (None, "finnhub", Verdict.UNKNOWN),
    ],
)
def test_a_vendor_that_is_late(delays_s: Sequence[float] | None, of: str, verdict: Verdict) -> None:
    assert vendor_delay.judge(replace(WELL, vendor_delays_s=delays_s, feed=of)).verdict is verdict


def test_latency_is_told_stage_by_stage() -> None:
    slow = replace(WELL, delays_s=(12.0, 14.0))
    assert high_latency.judge(slow).evidence == {
        "event to received": "0.20 s",
        "waits for Kafka": "0.01 s",
        "received to written": "14.00 s",
        "lag": "0 records",
    }


@pytest.mark.parametrize(
    ("used", "days"),
    [
        ([(at * DAY_S, 0.50 + 0.01 * at) for at in range(11)], 40.0),
        ([(at * DAY_S, 0.50) for at in range(11)], None),
        ([(at * DAY_S, 0.60 - 0.01 * at) for at in range(11)], None),  # it empties
        ([(at * DAY_S, 0.50 + 1e-6 * at) for at in range(11)], None),  # in a thousand years
        ([(0.0, 0.5), (DAY_S / 2, 0.9)], None),  # half a day tells nothing
        ([(0.0, 0.99), (2 * DAY_S, 1.02)], 0.0),
        ([], None),
    ],
)
def test_the_day_when_the_disk_is_full(used: list[tuple[float, float]], days: float | None) -> None:
    found = cassandra_disk.full_by(used)
    if days is None:
        assert found is None
    else:
        assert found is not None
        assert (found - used[-1][0]) / DAY_S == pytest.approx(days, abs=1e-6)


def test_the_forecast_is_evidence() -> None:
    used = [(BUSY - (10 - day) * DAY_S, 0.5 + 0.01 * day) for day in range(11)]
    look = replace(WELL, disk=Disk(100, 40, {}, 0), disk_used=used)
    assert str(cassandra_disk.judge(look).evidence["full by"]).startswith("2027-01-03")
