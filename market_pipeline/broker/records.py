"""A topic's records as they stand now, read once and in order, without a consumer group."""

import time
from collections.abc import Iterator
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from market_pipeline.broker.client import BrokerUnreachableError, client_config
from market_pipeline.broker.offsets import begin_offsets, end_offsets
from market_pipeline.settings import Settings

FETCH = 5_000
WAIT_S = 0.2
"""The client waits this long for a full fetch, so it must be short."""
PATIENCE_S = 10.0
QUEUE_KIB = 32 * 1024
"""What the client fetches ahead at most: by its own default 64 MiB a partition."""


class Record(NamedTuple):
    """One record; ``timestamp`` is Kafka's, in epoch milliseconds."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


def read_topic(
    settings: Settings, topic: str, *, start: dict[int, int] | None = None, end: dict[int, int] | None = None
) -> Iterator[Record]:
    """The records from ``start`` (default: the oldest) up to but without ``end`` (default: the end at this moment).

    Order is kept within a partition, partitions are mixed. Memory is bounded by a fetch.

    Raises:
        BrokerUnreachableError: Kafka does not answer, or stopped answering on the way.
        TopicError: there is no such topic.
    """
    for messages in _fetches(settings, topic, start, end):
        for message in messages:
            yield Record(
                message.partition() or 0,
                message.offset() or 0,
                message.timestamp()[1],
                message.key(),
                message.value() or b"",
                _headers(message),
            )


def read_values(settings: Settings, topic: str) -> Iterator[bytes]:
    """The values alone of all of a topic's records, for those who count millions: half of what ``read_topic`` costs.

    Raises:
        BrokerUnreachableError, TopicError: as ``read_topic``.
    """
    for messages in _fetches(settings, topic, None, None):
        for message in messages:
            yield message.value() or b""


def _fetches(
    settings: Settings, topic: str, start: dict[int, int] | None, end: dict[int, int] | None
) -> Iterator[list[Message]]:
    begin, last = begin_offsets(settings, topic), end or end_offsets(settings, topic)
    positions = {p: max(begin[p], (start or {}).get(p, 0)) for p in last}
    left = {p for p, offset in positions.items() if offset < last[p]}
    consumer = Consumer(
        client_config(settings)
        | {
            "group.id": "market-pipeline-reader",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "queued.max.messages.kbytes": QUEUE_KIB,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, p, positions[p]) for p in left])
        heard = time.monotonic()
        while left:
            messages = consumer.consume(FETCH, timeout=WAIT_S)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > PATIENCE_S:
                raise BrokerUnreachableError(settings, f"no record for {PATIENCE_S:.0f} s")
            wanted = []
            for message in messages:
                if message.error():
                    raise BrokerUnreachableError(settings, message.error())
                partition, offset = message.partition() or 0, message.offset() or 0
                if partition not in left or offset >= last[partition]:
                    left.discard(partition)
                    continue
                if offset + 1 >= last[partition]:
                    left.discard(partition)
                wanted.append(message)
            yield wanted
    except KafkaException as error:
        raise BrokerUnreachableError(settings, error) from None
    finally:
        consumer.close()


def _headers(message: Message) -> tuple[tuple[str, bytes], ...]:
    pairs = message.headers() or []
    listed = pairs.items() if isinstance(pairs, dict) else pairs
    return tuple((name, value.encode() if isinstance(value, str) else value or b"") for name, value in listed)
