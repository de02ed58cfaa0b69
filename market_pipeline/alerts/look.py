"""One look at the pipeline: everything that the rules judge, found out at one moment. Only data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from market_pipeline.alerts.canary import Flight
from market_pipeline.feed.quote import Quote
from market_pipeline.local.snapshot import Snapshot
from market_pipeline.store.disk_usage import DiskUsage
from market_pipeline.supervision.disk import Disk


@dataclass(frozen=True)
class DeadLetters:
    """Those of the last ten minutes: how many, and of the newest of them how many for each reason."""

    count: int
    reasons: Mapping[str, int] = field(default_factory=dict)


class Unhappy(NamedTuple):
    """What is wrong with a job, a check or a schedule, and Dagster's id of the run that shows it, if one does."""

    text: str
    run: str | None = None


@dataclass(frozen=True)
class Runs:
    """What Dagster tells of its own work, by name: what is wrong with it, None where nothing is."""

    jobs: Mapping[str, Unhappy | None] = field(default_factory=dict)
    checks: Mapping[str, Unhappy | None] = field(default_factory=dict)
    schedules: Mapping[str, Unhappy | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """What was found out; None where it was not, in time or at all.

    Attributes:
        now: epoch seconds.
        feed: which feed the pipeline runs on.
        symbols: what is subscribed.
        supervised: whether a supervisor of ours should keep programs here; in containers the platform does.
        snapshot: as ``status`` shows it.
        arrivals: trades on ``trades_raw`` of the last ten minutes, by Kafka's word.
        past_arrivals: the same at past looks with the same feed and symbols, every five minutes for some weeks, the
            oldest first: (epoch seconds, trades).
        quote: the vendor's own last trade, where the producer asked for it: it does while its stream is silent.
        canaries: those of the same time, the oldest first.
        canary_taken: whether Kafka has one of this look.
        smoke_tests: how many were ever sent.
        unread: records that are not known to be queryable, by the offsets that the stream mirrored last; asked for only
            while the stream itself does not say its lag.
        leaderless: partitions of Kafka without a leader.
        delays_s: received → written of the newest trade of each symbol that had one within a minute, seconds.
        vendor_delays_s: event → received of the same trades, seconds: the vendor's own delay and the way to us.
        disk: under Cassandra's data, where that can be read here.
        disk_usage: what each Cassandra node gossips of its disk, where ``disk`` is None: None for a node whose
            guardrail is off.
        dead_letters: on ``trades_dlq``.
        lags: the stream's lag at the looks of the last ten minutes, this one included: (epoch seconds, records).
        disk_used: how much of Cassandra's disk was used in the last two weeks: (epoch seconds, 0 to 1).
        journal_limit: bytes that the journal may use.
        runs: of Dagster; None where nobody asked it.
    """

    now: float
    feed: str
    symbols: Sequence[str]
    supervised: bool
    snapshot: Snapshot
    arrivals: int | None = None
    past_arrivals: Sequence[tuple[float, float]] = ()
    quote: Quote | None = None
    canaries: Sequence[Flight] = ()
    canary_taken: bool = False
    smoke_tests: int = 0
    unread: int | None = None
    leaderless: int | None = None
    delays_s: Sequence[float] | None = None
    vendor_delays_s: Sequence[float] | None = None
    disk: Disk | None = None
    disk_usage: Mapping[str, DiskUsage | None] = field(default_factory=dict)
    dead_letters: DeadLetters | None = None
    lags: Sequence[tuple[float, float]] = ()
    disk_used: Sequence[tuple[float, float]] = ()
    journal_limit: int | None = None
    runs: Runs | None = None
