"""Offsets and consumer lag, as Kafka's own tools count them. Lag is in records."""

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from market_pipeline.broker.client import TIMEOUT_S, BrokerUnreachableError, admin, client_config, reason
from market_pipeline.broker.topics import TopicError
from market_pipeline.settings import Settings

MOMENTARY = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}
"""What a broker says of a partition that is about to get its leader, or to go, and of a group's coordinator."""


@dataclass(frozen=True)
class PartitionLag:
    """A group's place in one partition; ``committed`` and ``lag`` are None while it never committed."""

    partition: int
    begin: int
    end: int
    committed: int | None

    @property
    def lag(self) -> int | None:
        return None if self.committed is None else max(0, self.end - self.committed)


def begin_offsets(settings: Settings, topic: str) -> dict[int, int]:
    """The oldest offset that Kafka still has, by partition.

    Raises:
        BrokerUnreachableError: Kafka does not answer.
        TopicError: there is no such topic.
    """
    return _offsets(settings, topic, OffsetSpec.earliest())


def end_offsets(settings: Settings, topic: str) -> dict[int, int]:
    """The offset that the next record will get, by partition.

    Raises:
        BrokerUnreachableError: Kafka does not answer.
        TopicError: there is no such topic.
    """
    return _offsets(settings, topic, OffsetSpec.latest())


def records_since(settings: Settings, topic: str, since_ms: int, end: Mapping[int, int]) -> int:
    """How many records before ``end``, by partition, are of that moment (epoch milliseconds) or later, by their own
    timestamps.

    Raises:
        BrokerUnreachableError: Kafka does not answer.
        TopicError: there is no such topic.
    """
    first = _offsets(settings, topic, OffsetSpec.for_timestamp(since_ms))  # -1 where there is none
    return sum(max(0, end.get(p, 0) - offset) for p, offset in first.items() if offset >= 0)


def first_since(settings: Settings, topic: str, since_ms: int) -> dict[int, int]:
    """The offset of the first record of that moment (epoch milliseconds) or later, by partition; its end where there is
    none.

    Raises:
        BrokerUnreachableError: Kafka does not answer.
        TopicError: there is no such topic.
    """
    first, end = _offsets(settings, topic, OffsetSpec.for_timestamp(since_ms)), end_offsets(settings, topic)
    return {p: offset if offset >= 0 else end[p] for p, offset in first.items()}


def records_between(settings: Settings, topic: str, since_ms: int, until_ms: int) -> int:
    """How many records are of that moment (epoch milliseconds) or later, and before the other.

    Raises:
        BrokerUnreachableError: Kafka does not answer.
        TopicError: there is no such topic.
    """
    end = end_offsets(settings, topic)
    return records_since(settings, topic, since_ms, end) - records_since(settings, topic, until_ms, end)


def group_offsets(settings: Settings, group: str, topic: str) -> dict[int, int | None]:
    """The next offset that the group will read, by partition; None where it never committed.

    Raises:
        BrokerUnreachableError: Kafka does not answer.
        TopicError: there is no such topic.
    """
    partitions = [TopicPartition(topic, p) for p in _partitions(settings, topic)]
    deadline = time.monotonic() + TIMEOUT_S
    with closing(member_of_nothing(settings, group)) as consumer:
        while True:
            try:
                answer = consumer.committed(partitions, timeout=TIMEOUT_S)
                return {part.partition: (part.offset if part.offset >= 0 else None) for part in answer}
            except KafkaException as error:
                if error.args[0].code() not in MOMENTARY or time.monotonic() > deadline:
                    raise BrokerUnreachableError(settings, error) from None
                time.sleep(0.05)


def member_of_nothing(settings: Settings, group: str, **more: Any) -> Consumer:
    """A consumer that never subscribes: it may ask for a group's offsets, or set them, without joining the group.

    The admin client's way (ListConsumerGroupOffsets) ends the process with a segmentation fault, in librdkafka 2.16,
    while a new Kafka has no coordinator for groups yet.
    """
    own = {"group.id": group, "enable.auto.commit": False}
    return Consumer(client_config(settings) | own | more)


def partition_lags(settings: Settings, group: str, topic: str) -> list[PartitionLag]:
    """The group's place in each partition of the topic.

    Raises:
        BrokerUnreachableError: Kafka does not answer.
        TopicError: there is no such topic.
    """
    committed = group_offsets(settings, group, topic)
    begin, end = begin_offsets(settings, topic), end_offsets(settings, topic)
    return [PartitionLag(p, begin[p], end[p], committed.get(p)) for p in sorted(end)]


def list_groups(settings: Settings) -> list[tuple[str, str]]:
    """Every consumer group and its state.

    Raises:
        BrokerUnreachableError: Kafka does not answer.
    """
    try:
        answer = admin(settings).list_consumer_groups(request_timeout=TIMEOUT_S).result()
    except KafkaException as error:
        raise BrokerUnreachableError(settings, error) from None
    if answer.errors and not answer.valid:  # a broker that is away is told here, and not raised
        raise BrokerUnreachableError(settings, answer.errors[0])
    return sorted((group.group_id, group.state.name.lower()) for group in answer.valid)


def _partitions(settings: Settings, topic: str) -> list[int]:
    try:
        found = admin(settings).list_topics(topic, timeout=TIMEOUT_S).topics[topic]
    except KafkaException as error:
        raise BrokerUnreachableError(settings, error) from None
    if found.error is not None or not found.partitions:
        raise TopicError(f"there is no topic {topic} (see `market-pipeline topics list`)")
    return sorted(found.partitions)


def _offsets(settings: Settings, topic: str, spec: OffsetSpec) -> dict[int, int]:
    wanted = {TopicPartition(topic, p): spec for p in _partitions(settings, topic)}
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            answer = admin(settings).list_offsets(wanted, request_timeout=TIMEOUT_S)
            return {part.partition: future.result().offset for part, future in answer.items()}
        except KafkaException as error:
            if error.args[0].code() not in MOMENTARY:
                raise BrokerUnreachableError(settings, error) from None
            if time.monotonic() > deadline:
                raise TopicError(f"topic {topic} has no leader for {TIMEOUT_S:.0f} s: {reason(error)}") from None
            time.sleep(0.05)
