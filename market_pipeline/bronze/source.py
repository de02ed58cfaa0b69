"""Reads the records that the archive lacks from Kafka, in order, and tells apart what Kafka no longer has."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from market_pipeline.broker.client import BrokerUnreachableError, client_config, reason
from market_pipeline.broker.offsets import begin_offsets, end_offsets
from market_pipeline.broker.topics import topic_id
from market_pipeline.bronze.manifest import Manifest, OffsetGap
from market_pipeline.bronze.writer import Batch
from market_pipeline.settings import Settings

FETCH_RECORDS = 5_000
FETCH_WITHIN_S = 0.2
"""What arrives within this time is one batch; with the queue below it bounds memory when records are large."""
QUEUE_KIB = 32 * 1024
PATIENCE_S = 15.0

AGED_OUT = "Kafka deleted them before they were archived"
BEFORE_FIRST_RUN = "Kafka had deleted them before the first archive run"
TOPIC_REPLACED = "the topic was deleted and created again"
NOT_THERE = "Kafka has no records there"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reach:
    """What is to be read: offsets [start, end) of each partition, and what can't be read any more."""

    start: dict[int, int]
    end: dict[int, int]
    gaps: tuple[OffsetGap, ...]


def plan(
    manifest: Manifest, identity: str, begin: dict[int, int], end: dict[int, int], now: datetime
) -> Reach:  # fmt: skip
    """What to read, given the archive's place and the offsets that Kafka has. Pure."""
    noticed_at = now.isoformat(timespec="seconds")
    known = manifest.next_offsets
    gaps = []
    if manifest.topic_id and manifest.topic_id != identity:
        gaps = [OffsetGap(p, known[p], None, TOPIC_REPLACED, noticed_at) for p in sorted(known)]
        known = {}
    start = {}
    for partition in sorted(end):
        wanted = known.get(partition, 0)
        start[partition] = max(wanted, begin[partition])
        if start[partition] > wanted:
            why = AGED_OUT if manifest.commits else BEFORE_FIRST_RUN
            gaps.append(OffsetGap(partition, wanted, start[partition], why, noticed_at))
    return Reach(start, {p: max(end[p], start[p]) for p in end}, tuple(gaps))


def reach(settings: Settings, manifest: Manifest, kafka_topic_id: str) -> Reach:
    """What the archive lacks at this moment.

    Raises:
        BrokerUnreachableError: Kafka does not answer.
        TopicError: there is no such topic.
    """
    begin, end = begin_offsets(settings, settings.topic), end_offsets(settings, settings.topic)
    return plan(manifest, kafka_topic_id, begin, end, datetime.now(UTC))


class Reader(Protocol):
    """Batches of records up to an end; see ``TopicReader``."""

    positions: dict[int, int]

    def batches(self) -> Iterator[Batch]: ...

    def take_gaps(self) -> tuple[OffsetGap, ...]: ...


class Topic(Protocol):
    """What the archive takes records from: Kafka's ``trades_raw``."""

    def identity(self) -> str:
        """Kafka's id of the topic, another one when it was deleted and created again."""
        ...

    def reach(self, manifest: Manifest, identity: str) -> Reach:
        """What the archive lacks at this moment."""
        ...

    def open_reader(self, span: Reach) -> AbstractContextManager[Reader]:
        """A reader of the span."""
        ...


@dataclass(frozen=True)
class KafkaTopic:
    """``trades_raw`` on the pipeline's Kafka."""

    settings: Settings

    def identity(self) -> str:
        return topic_id(self.settings, self.settings.topic)

    def reach(self, manifest: Manifest, identity: str) -> Reach:
        return reach(self.settings, manifest, identity)

    def open_reader(self, span: Reach) -> AbstractContextManager[Reader]:
        return open_reader(self.settings, span)


@dataclass
class TopicReader:
    """Batches of records up to an end, with its place and the holes it met.

    Attributes:
        positions: the next offset to take, by partition.
        gaps: offsets that turned out to have no record, since ``take_gaps`` was last called.
    """

    settings: Settings
    consumer: Consumer
    positions: dict[int, int]
    end: dict[int, int]
    gaps: list[OffsetGap] = field(default_factory=list)

    def batches(self) -> Iterator[Batch]:
        """Each batch moves ``positions`` on.

        Raises:
            BrokerUnreachableError: Kafka stopped answering.
        """
        quiet_s = 0.0
        while any(self.positions[p] < self.end[p] for p in self.end):
            messages = self.consumer.consume(FETCH_RECORDS, timeout=FETCH_WITHIN_S)
            quiet_s = 0.0 if messages else quiet_s + FETCH_WITHIN_S
            if quiet_s >= PATIENCE_S:
                raise BrokerUnreachableError(self.settings, f"no record for {PATIENCE_S:.0f} s")
            records = self._records(messages)
            if len(records):
                yield records

    def take_gaps(self) -> tuple[OffsetGap, ...]:
        gaps, self.gaps = tuple(self.gaps), []
        return gaps

    def _records(self, messages: list[Message]) -> Batch:
        records = Batch()
        for message in messages:
            if message.error() is not None:
                self._on_error(message)
                continue
            partition, offset = message.partition() or 0, message.offset() or 0
            if offset >= self.end[partition] or offset < self.positions[partition]:
                if offset >= self.end[partition] > self.positions[partition]:
                    self._skip_to(partition, self.end[partition])
                continue
            if offset > self.positions[partition]:
                self._skip_to(partition, offset)
            self.positions[partition] = offset + 1
            records.append(message.value(), partition, offset, message.timestamp()[1])
        return records

    def _on_error(self, message: Message) -> None:
        error, partition = message.error(), message.partition() or 0
        if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own name
            if self.positions[partition] < self.end[partition]:
                self._skip_to(partition, self.end[partition])
        elif error is not None and not error.retriable():
            raise BrokerUnreachableError(self.settings, reason(error))

    def _skip_to(self, partition: int, offset: int) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.gaps.append(OffsetGap(partition, self.positions[partition], offset, NOT_THERE, now))
        self.positions[partition] = offset


@contextmanager
def open_reader(settings: Settings, span: Reach) -> Iterator[TopicReader]:
    """A reader of the span, which belongs to no consumer group."""
    consumer = Consumer(
        client_config(settings)
        | {
            "group.id": "market-pipeline-archive",  # librdkafka wants one; nothing is ever committed under it
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",  # a jump is seen by its offsets and recorded as a gap
            "queued.max.messages.kbytes": QUEUE_KIB,
            "fetch.wait.max.ms": 50,
        },
        logger=logger,
    )
    try:
        wanted = {p: offset for p, offset in span.start.items() if offset < span.end[p]}
        consumer.assign([TopicPartition(settings.topic, p, offset) for p, offset in wanted.items()])
        yield TopicReader(settings, consumer, dict(span.start), dict(span.end))
    finally:
        consumer.close()
