"""The state of Kafka and Cassandra, asked for directly."""

import time
from dataclasses import dataclass, field

from cassandra.cluster import Session
from confluent_kafka import KafkaException

from market_pipeline.broker.client import BrokerUnreachableError, reason
from market_pipeline.broker.offsets import begin_offsets, end_offsets, records_since
from market_pipeline.broker.topics import TopicError
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import STORE_ERRORS, connect
from market_pipeline.store.newest import newest_received_at
from market_pipeline.supervision.disk import bytes_below
from market_pipeline.unanswered import listens

RATE_OVER_S = 60
"""Trades come in bursts, so that a second of them tells nothing; the stream's own rate is over as long."""
REQUEST_WITHIN_S = 2.0


@dataclass(frozen=True)
class KafkaStatus:
    """The topic of trades.

    Attributes:
        begin: the oldest offset of each partition.
        end: the offset that its next record will get.
        rate: records a second over the last ``RATE_OVER_S``.
        fault: why it does not answer, or what is wrong with the topic of one that answers.
    """

    live: bool = False
    begin: dict[int, int] = field(default_factory=dict)
    end: dict[int, int] = field(default_factory=dict)
    rate: float | None = None
    fault: str | None = None


@dataclass(frozen=True)
class CassandraStatus:
    """Whether it answers a query, and what it says.

    Attributes:
        disk_mb: the disk that it uses, where its data directory can be read here.
        newest_trade_age_s: how long ago the newest trade that could be queried had been received, at that moment.
    """

    live: bool = False
    version: str | None = None
    disk_mb: float | None = None
    newest_trade_age_s: float | None = None


def kafka_status(settings: Settings) -> KafkaStatus:
    """Offsets, and the rate by the records' own times: nothing has to be waited for to measure it."""
    if not any(map(listens, settings.bootstrap_servers.split(","))):
        return KafkaStatus(fault="nobody listens")  # the client would try until its time is up
    try:
        begin, end = begin_offsets(settings, settings.topic), end_offsets(settings, settings.topic)
        recent = records_since(settings, settings.topic, int((time.time() - RATE_OVER_S) * 1000), end)
    except TopicError as error:
        return KafkaStatus(live=True, fault=str(error))
    except BrokerUnreachableError as error:
        return KafkaStatus(fault=error.why)
    except KafkaException as error:
        return KafkaStatus(fault=reason(error))
    return KafkaStatus(True, begin, end, round(recent / RATE_OVER_S, 1))


def cassandra_status(settings: Settings) -> CassandraStatus:
    """Whether it answers, how new its newest trade is, and how much disk it has."""
    disk = round(bytes_below(home) / 1e6, 1) if (home := settings.cassandra_home) is not None else None
    try:
        with connect(settings, timeout_s=REQUEST_WITHIN_S) as session:
            row = session.execute("SELECT release_version FROM system.local").one()
            return CassandraStatus(True, row.release_version, disk, _newest_trade_age_s(session, settings))
    except STORE_ERRORS:
        return CassandraStatus(disk_mb=disk)


def _newest_trade_age_s(session: Session, settings: Settings) -> float | None:
    try:
        newest = newest_received_at(session, settings)
    except STORE_ERRORS:  # it answers, but has no tables yet
        return None
    return None if newest is None else round(max(0.0, time.time() - newest.timestamp()), 3)
