"""Finds out what the rules judge: asks everything at once, and leaves out what does not answer in time."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from market_pipeline.alerts.arrivals import OVER_S
from market_pipeline.alerts.canary import Canaries, Flight, recover, release
from market_pipeline.alerts.look import DeadLetters, Look
from market_pipeline.alerts.smoke_tests import SmokeTests
from market_pipeline.broker.client import BrokerUnreachableError
from market_pipeline.broker.offsets import end_offsets, group_offsets, records_since
from market_pipeline.broker.records import read_topic
from market_pipeline.broker.topics import TopicError, list_topics
from market_pipeline.feed.quote import Quote
from market_pipeline.local.snapshot import FeedStatus, gather, programs_alone, within
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import STORE_ERRORS, connect
from market_pipeline.store.delays import Delay, newest_delays
from market_pipeline.store.disk_usage import DiskUsage, disk_usage_by_node
from market_pipeline.supervision.disk import disk
from market_pipeline.supervision.servers import KafkaStatus

ANSWER_WITHIN_S = 4.0
DELAYS_OVER = timedelta(minutes=1)
LETTERS_READ = 100
"""Of each partition: enough to tell the reasons of a burst."""
BROKER_ERRORS = (BrokerUnreachableError, TopicError)


def look(settings: Settings, now: float | None = None, canaries: Canaries | None = None) -> Look:
    """Look at everything, which takes some seconds at most.

    Args:
        settings: of the pipeline.
        now: the moment, epoch seconds.
        canaries: where they are kept; without it none is sent.

    Raises:
        sqlite3.Error: the incidents' file can't be used.
    """
    now = time.time() if now is None else now
    taken = False
    if canaries is not None:
        with suppress(*BROKER_ERRORS):  # before Kafka's ends are asked for: what is counted below has it, or never will
            release(settings, canaries)
            taken = True
    snapshot = gather(settings)
    symbols = snapshot.feed.symbol_names or settings.symbols
    answers = within(
        ANSWER_WITHIN_S,
        {
            "arrivals": lambda: arrivals(settings, snapshot.kafka.end, now) if snapshot.kafka.live else None,
            "unread": lambda: unread(settings, snapshot.kafka) if snapshot.stream.lag is None else None,
            "leaderless": lambda: leaderless(settings) if snapshot.kafka.live else None,
            "delays": lambda: delays(settings, symbols, now) if snapshot.cassandra.live else None,
            "dead_letters": lambda: dead_letters(settings, now) if snapshot.kafka.live else None,
            "canaries": lambda: recovered(settings, canaries) if canaries is not None else None,
            "disk_usage": lambda: disk_usage(settings) if snapshot.cassandra.live else {},
            "disk": lambda: disk(settings.cassandra_home),
        },
    )
    found: list[Delay] | None = answers.pop("delays")
    del answers["canaries"]
    answers["disk_usage"] = answers["disk_usage"] or {}
    flights: Sequence[Flight] = canaries.since(window_ms(now)) if canaries is not None else ()
    tests = SmokeTests(settings.paths.incidents)
    if answers["arrivals"] is not None:
        answers["arrivals"] = max(0, answers["arrivals"] - len(flights) - tests.count(window_ms(now)))
    return Look(
        now=now,
        feed=snapshot.feed.name or settings.active_feed,
        symbols=symbols,
        supervised=supervised(settings),
        snapshot=snapshot,
        quote=quote_of(snapshot.feed),
        canaries=flights,
        canary_taken=taken,
        smoke_tests=tests.count(),
        delays_s=None if found is None else [each.ours_s for each in found],
        vendor_delays_s=None if found is None else [each.vendor_s for each in found],
        journal_limit=int(settings.journal_max_gb * 2**30),
        **answers,
    )


def look_at_programs(settings: Settings, now: float) -> Look:
    """The programs alone, by the supervisor and their heartbeats."""
    return Look(
        now=now,
        feed=settings.active_feed,
        symbols=settings.symbols,
        supervised=supervised(settings),
        snapshot=programs_alone(settings),
    )


def supervised(settings: Settings) -> bool:
    """Whether a supervisor of ours should keep programs here."""
    return settings.embedded_kafka or settings.embedded_cassandra


def arrivals(settings: Settings, end: Mapping[int, int], now: float) -> int | None:
    """Records of the last ten minutes on the topic of trades, which ends at ``end``."""
    try:
        return records_since(settings, settings.topic, window_ms(now), end)
    except BROKER_ERRORS:
        return None


def unread(settings: Settings, kafka: KafkaStatus) -> int | None:
    """Records behind the offsets up to which everything was queryable when the stream last said so."""
    if not kafka.live or not kafka.end:
        return None
    try:
        mirrored = group_offsets(settings, settings.consumer_group, settings.topic)
    except BROKER_ERRORS:
        return None
    known = {partition: offset for partition, offset in mirrored.items() if offset is not None}
    return sum(max(0, end - known.get(partition, end)) for partition, end in kafka.end.items())


def quote_of(feed: FeedStatus) -> Quote | None:
    """What the producer's heartbeat has of the vendor's quotes."""
    if feed.quote is None or feed.silent_s is not None:
        return None
    with suppress(TypeError):  # one of another version
        return Quote(**feed.quote)
    return None


def window_ms(now: float) -> int:
    """Where the last ten minutes begin, epoch milliseconds."""
    return int((now - OVER_S) * 1000)


def recovered(settings: Settings, canaries: Canaries) -> None:
    """Look for the canaries in flight, if Cassandra answers."""
    with suppress(*STORE_ERRORS):
        recover(settings, canaries, ANSWER_WITHIN_S)


def leaderless(settings: Settings) -> int | None:
    """Partitions that have no leader, over all topics, Kafka's own included."""
    try:
        return sum(topic.leaderless for topic in list_topics(settings, internal=True))
    except BROKER_ERRORS:
        return None


def dead_letters(settings: Settings, now: float) -> DeadLetters | None:
    """Those of the last ten minutes; of the newest few in each partition, why."""
    topic = settings.dead_letter_topic
    try:
        end = end_offsets(settings, topic)
        count = records_since(settings, topic, window_ms(now), end)
        if not count:
            return DeadLetters(0)
        start = {partition: max(0, offset - LETTERS_READ) for partition, offset in end.items()}
        read = read_topic(settings, topic, start=start, end=end)
        reasons = Counter(reason_of(each.headers) for each in read if each.timestamp >= window_ms(now))
    except BROKER_ERRORS:
        return None
    return DeadLetters(count, dict(reasons.most_common()))


def reason_of(headers: Iterable[tuple[str, bytes]]) -> str:
    """Why a record is a dead letter, by its own header."""
    return next((value.decode("utf-8", "replace") for name, value in headers if name == "reason"), "no reason told")


def disk_usage(settings: Settings) -> dict[str, DiskUsage | None]:
    """What each node gossips of its disk; asked for only where the disk itself can't be read here."""
    if settings.cassandra_home is not None:
        return {}
    try:
        with connect(settings, timeout_s=ANSWER_WITHIN_S) as session:
            return disk_usage_by_node(session)
    except STORE_ERRORS:
        return {}


def delays(settings: Settings, symbols: Sequence[str], now: float) -> list[Delay] | None:
    """How long the newest trades of the last minute took."""
    since = datetime.fromtimestamp(now, UTC) - DELAYS_OVER
    try:
        with connect(settings, timeout_s=ANSWER_WITHIN_S) as session:
            return newest_delays(session, settings, symbols, since)
    except STORE_ERRORS:
        return None
