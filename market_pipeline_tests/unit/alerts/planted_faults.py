"""Faults to plant in Thanksgiving's week of 2026: what a look shows of each, and what has to be told of it.

A fault is a function that makes of a look at a pipeline that is well what is seen so many seconds after it began.
"""

from dataclasses import dataclass, replace
from typing import Any

from market_pipeline.alerts.look import DeadLetters, Look
from market_pipeline.supervision.disk import Disk
from market_pipeline.supervision.servers import KafkaStatus
from market_pipeline_tests.unit.alerts.simulated_market import AAPL, BTC, EUR, Fault, new_york

MINUTE = 60.0
CATCHES_UP_S = 60.0


def _with_feed(look: Look, **said: Any) -> Look:
    return replace(look, snapshot=replace(look.snapshot, feed=replace(look.snapshot.feed, **said)))


def _with_stream(look: Look, **said: Any) -> Look:
    said = {"oldest_waiting_age_s": said.get("newest_event_age_s"), **said}
    return replace(look, snapshot=replace(look.snapshot, stream=replace(look.snapshot.stream, **said)))


def _with_process(look: Look, name: str, **said: Any) -> Look:
    processes = look.snapshot.processes
    changed = processes | {name: replace(processes[name], **said)}
    return replace(look, snapshot=replace(look.snapshot, processes=changed))


def mute(look: Look, since_s: float) -> Look:
    """The vendor's pings come, its trades do not."""
    return look


def connection_lost(look: Look, since_s: float) -> Look:
    return _with_feed(look, connected=False, last_received_age_s=since_s, gap_since=look.now - since_s)


def producer_given_up(look: Look, since_s: float) -> Look:
    look = _with_feed(look, connected=False, silent_s=since_s, last_received_age_s=since_s)
    return _with_process(look, "producer", state="FATAL", pid=None, uptime_s=None, beat_age_s=None)


class KafkaAway:
    """Gone for so long; then the stream catches up with what waited in the journal."""

    def __init__(self, away_s: float) -> None:
        self.away_s = away_s
        self.lasts_s = away_s + CATCHES_UP_S

    def __call__(self, look: Look, since_s: float) -> Look:
        if since_s >= self.away_s:
            left = (self.lasts_s - since_s) / CATCHES_UP_S
            return _with_stream(look, lag=int(10 * self.away_s * left), newest_event_age_s=self.away_s * left)
        look = _with_stream(look, lag=int(10 * since_s), newest_event_age_s=since_s)
        journal = {"bytes": 9_000_000, "unconfirmed_frames": int(10 * since_s), "oldest_unconfirmed_age_s": since_s}
        look = _with_feed(look, journal=journal, kafka_error="connection refused")
        gone = replace(look.snapshot, kafka=KafkaStatus(fault="no answer within 2.5 s"))
        return replace(look, snapshot=gone, arrivals=None, leaderless=None, dead_letters=None, delays_s=())


STREAM_HANGS_S, STREAM_STARTS_S = 180.0, 30.0


def stream_hangs(look: Look, since_s: float) -> Look:
    """It says nothing for three minutes, is started again, which takes half a minute, and catches up in as much."""
    if since_s < STREAM_HANGS_S:
        look = _with_process(look, "stream", beat_age_s=since_s)
        look = _with_stream(look, phase=None, lag=None, silent_s=since_s, newest_event_age_s=since_s)
        return replace(look, delays_s=() if since_s > 60.0 else look.delays_s)
    uptime_s = since_s - STREAM_HANGS_S
    look = _with_process(look, "stream", uptime_s=uptime_s, restarts=1)
    if uptime_s < STREAM_STARTS_S:
        return replace(_with_stream(look, phase="starting", lag=None, newest_event_age_s=since_s), delays_s=())
    look = _with_stream(look, phase="running", lag=900, newest_event_age_s=since_s, last_progress_age_s=1.0)
    return replace(look, delays_s=[since_s])


def disk_fills(look: Look, since_s: float) -> Look:
    """From 77 %, by 20 % an hour: over 80 % after 9 minutes, over 90 % after 39."""
    used = 0.77 + 0.20 * since_s / 3600.0
    return replace(look, disk=Disk(10_000_000, round(10_000_000 * (1.0 - used)), {}, 0))


def slow(look: Look, since_s: float) -> Look:
    return replace(look, delays_s=[15.0, 15.0])


def some_dead_letters(look: Look, since_s: float) -> Look:
    return replace(look, dead_letters=DeadLetters(25, {"no price": 25}))


def many_dead_letters(look: Look, since_s: float) -> Look:
    return replace(look, dead_letters=DeadLetters(250, {"no price": 250}))


def vendor_late(look: Look, since_s: float) -> Look:
    return replace(look, vendor_delays_s=[90.0, 120.0])


def clock_slow(look: Look, since_s: float) -> Look:
    return _with_feed(look, clock_is_slow=True)


BOTH = (AAPL, BTC)
AWAY_FOR_LONG = KafkaAway(12 * MINUTE)
AWAY = KafkaAway(4 * MINUTE)


@dataclass(frozen=True)
class Planted:
    """A fault in Thanksgiving's week, and what is told of it: the rule and the severity of each message but the last,
    which is that it is over. ``withheld`` are the rules whose incidents follow, of which nobody is told."""

    name: str
    fault: Fault
    told: tuple[str, ...]
    symbols: tuple[str, ...] = BOTH
    withheld: frozenset[str] = frozenset()


def dead(text: str, minutes: float) -> Fault:
    return Fault(new_york(f"2026-11-{text}"), minutes * MINUTE, mute, mute=True)


def lost(text: str, minutes: float) -> Fault:
    return Fault(new_york(f"2026-11-{text}"), minutes * MINUTE, connection_lost, mute=True)


PLANTED = [  # what is dead for less than 25 minutes is over before it is escalated
    Planted("dead feed on Tuesday", dead("24 10:00", 24), ("zero-trades P1",)),
    Planted("dead feed on the half day", dead("27 12:30", 24), ("zero-trades P1",)),
    Planted("dead feed on the half day, stocks alone", dead("27 12:30", 24), ("zero-trades P1",), (AAPL,)),
    Planted("dead feed after the half day's close", dead("27 13:30", 25), (), (AAPL,)),
    Planted("dead feed over the half day's close", dead("27 12:55", 60), (), (AAPL,)),
    Planted("dead feed on Thanksgiving, stocks alone", dead("26 10:00", 300), (), (AAPL,)),
    Planted("dead feed before the opening, stocks alone", dead("25 09:00", 38), (), (AAPL,)),
    Planted("forex dead on Thanksgiving", dead("26 10:00", 24), ("zero-trades P1",), (AAPL, EUR)),
    Planted("forex dead on Friday until it closes", dead("27 16:40", 40), ("zero-trades P1",), (AAPL, EUR)),
    Planted("forex dead over the week-end", dead("28 10:00", 5 * 60), (), (AAPL, EUR)),
    Planted("bitcoin mute on Saturday night", dead("28 03:00", 20), ("zero-trades P1",)),
    # the worse of the two is told too: nobody is on call for a P2
    Planted("connection lost for long", lost("24 11:00", 24), ("feed-gap P2", "zero-trades P1")),
    Planted("connection lost", lost("24 13:00", 5), ("feed-gap P2",)),
    Planted("connection lost for a moment", lost("23 14:00", 0.9), ()),
    Planted("connection lost on Saturday, stocks alone", lost("28 11:00", 60), (), (AAPL,)),
    Planted(
        "Kafka away",
        Fault(new_york("2026-11-25 11:00"), AWAY.lasts_s, AWAY),
        ("kafka-down P1",),
        withheld=frozenset({"high-latency"}),
    ),
    Planted(
        "Kafka away for long",
        Fault(new_york("2026-11-25 13:00"), AWAY_FOR_LONG.lasts_s, AWAY_FOR_LONG),
        ("kafka-down P1",),
        withheld=frozenset({"high-latency", "journal-filling", "consumer-lag"}),
    ),
    Planted("stream hangs", Fault(new_york("2026-11-24 14:00"), 240.0, stream_hangs), ("program-hung P1",)),
    Planted(
        "producer given up",
        Fault(new_york("2026-11-24 15:10"), 8 * MINUTE, producer_given_up, mute=True),
        ("program-down P1",),
    ),
    Planted(
        "disk fills",
        Fault(new_york("2026-11-26 09:00"), 48 * MINUTE, disk_fills),
        ("cassandra-disk P2", "cassandra-disk P1"),
    ),
    Planted("slow", Fault(new_york("2026-11-23 10:00"), 3 * MINUTE, slow), ("high-latency P2",)),
    Planted(
        "some dead letters",
        Fault(new_york("2026-11-29 08:00"), 10 * MINUTE, some_dead_letters),
        ("dead-letters P3",),
    ),
    Planted(
        "many dead letters",
        Fault(new_york("2026-11-29 10:00"), 10 * MINUTE, many_dead_letters),
        ("dead-letters P2",),
    ),
    Planted("late vendor", Fault(new_york("2026-11-29 12:00"), 10 * MINUTE, vendor_late), ("vendor-delay P3",)),
    Planted("slow clock", Fault(new_york("2026-11-29 14:00"), 5 * MINUTE, clock_slow), ("clock P2",)),
]
