"""The state of Kafka and Cassandra, asked for directly."""

import contextlib
import os
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException

from market_pipeline.broker.client import BrokerUnreachableError
from market_pipeline.broker.offsets import begin_offsets, end_offsets
from market_pipeline.broker.topics import TopicError
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import STORE_ERRORS, connect

RATE_OVER_S = 0.7
REQUEST_WITHIN_S = 2.0


@dataclass(frozen=True)
class KafkaStatus:
    """The topic of trades: the offsets by partition, and records a second.

    Attributes:
        fault: what is wrong with the topic of a Kafka that answers.
    """

    live: bool = False
    begin: dict[int, int] = field(default_factory=dict)
    end: dict[int, int] = field(default_factory=dict)
    rate: float | None = None
    fault: str | None = None


@dataclass(frozen=True)
class CassandraStatus:
    """Whether it answers a query, its version, and the disk it uses (embedded only)."""

    live: bool = False
    version: str | None = None
    disk_mb: float | None = None


def kafka_status(settings: Settings) -> KafkaStatus:
    """Offsets, and the rate over a moment."""
    if not any(map(_listens, settings.bootstrap_servers.split(","))):
        return KafkaStatus()  # the client would try until its time is up
    try:
        first, began = end_offsets(settings, settings.topic), time.monotonic()
        begin = begin_offsets(settings, settings.topic)
        time.sleep(RATE_OVER_S)
        end, seconds = end_offsets(settings, settings.topic), time.monotonic() - began
    except TopicError as error:
        return KafkaStatus(live=True, fault=str(error))
    except (BrokerUnreachableError, KafkaException):
        return KafkaStatus()
    return KafkaStatus(True, begin, end, round((sum(end.values()) - sum(first.values())) / seconds, 1))


def cassandra_status(settings: Settings) -> CassandraStatus:
    """Whether it answers, and how much disk it has."""
    disk = round(_bytes_below(settings.paths.cassandra) / 1e6, 1) if settings.embedded_cassandra else None
    try:
        with connect(settings, timeout_s=REQUEST_WITHIN_S) as session:
            row = session.execute("SELECT release_version FROM system.local").one()
    except STORE_ERRORS:
        return CassandraStatus(disk_mb=disk)
    return CassandraStatus(True, row.release_version, disk)


def _bytes_below(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):  # passes over what it can't read
        for name in names:
            with contextlib.suppress(OSError):  # compaction removes files at any moment
                total += (Path(parent) / name).lstat().st_size
    return total


def _listens(server: str) -> bool:
    host, _, port = server.strip().rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except (OSError, ValueError):
        return False
    return True
