"""The connection to Kafka: an idempotent producer, and what becomes a record of which topic. Never waits for Kafka."""

import logging
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from market_pipeline.broker.client import client_config
from market_pipeline.feed.normalise import DeadLetter
from market_pipeline.model import Rejection, Trade, encode
from market_pipeline.settings import Settings

logger = logging.getLogger(__name__)
ORIGINAL_BYTES_KEPT = 900_000
"""What fits a record by Kafka's default limit of 1 MiB; the journal has the rest."""
RECORDS_FAULT = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD})
"""Errors that the same record would meet again and again."""

OnDelivery = Callable[[KafkaError | None, Any], None]


def producer_config(settings: Settings, error_callback: Callable[[KafkaError], None]) -> dict[str, Any]:
    """librdkafka's configuration: exactly once per session, in order, and waiting for ever.

    A record never times out: the journal holds what Kafka doesn't take, so that giving one up would gain nothing.
    """
    return client_config(settings) | {
        "client.id": "market-pipeline-producer",
        "acks": "all",
        "enable.idempotence": True,
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
        "linger.ms": 1,
        "message.timeout.ms": 0,
        "queue.buffering.max.messages": 200_000,
        "error_cb": error_callback,
        "logger": logging.getLogger("market_pipeline.feed.librdkafka"),
    }


class Outbox:
    """Puts items into Kafka's topics by way of librdkafka's queue.

    Args:
        producer: of confluent_kafka, or what behaves like it.
        topic: for trades.
        dead_letter_topic: for what isn't one.
    """

    def __init__(self, producer: Any, topic: str, dead_letter_topic: str) -> None:
        self._producer = producer
        self.topic = topic
        self._dead_letter_topic = dead_letter_topic

    @classmethod
    def to_kafka(cls, settings: Settings, on_error: Callable[[KafkaError], None]) -> "Outbox":
        producer = Producer(producer_config(settings, on_error))
        return cls(producer, settings.topic, settings.dead_letter_topic)

    def put(self, item: Trade | DeadLetter, on_delivery: OnDelivery, timestamp_ms: int = 0) -> bool:
        """Queue one item; True when it became a dead letter. ``timestamp_ms`` is the record's, 0 that of this moment.

        Raises:
            BufferError: the queue is full; poll and try again.
            KafkaException: the client is broken.
        """
        if isinstance(item, DeadLetter):
            self.put_dead_letter(item, on_delivery)
            return True
        value = encode(item)
        try:
            when = {"timestamp": timestamp_ms} if timestamp_ms else {}
            self._producer.produce(self.topic, value, item.symbol.encode(), on_delivery=on_delivery, **when)
        except KafkaException as error:
            if error.args[0].code() not in RECORDS_FAULT:
                raise
            detail = f"a record of {len(value)} bytes"
            index = int(item.trade_id.split("-")[1])
            self.put_dead_letter(DeadLetter(Rejection.TOO_LARGE, detail, value, item.received_at, index), on_delivery)
            return True
        return False

    def put_dead_letter(self, letter: DeadLetter, on_delivery: OnDelivery) -> None:
        """Queue a dead letter: the original bytes, with the reason and where they came from in headers.

        Raises:
            BufferError: the queue is full; poll and try again.
            KafkaException: the client is broken.
        """
        headers = {
            "reason": str(letter.reason),
            "detail": letter.detail[:500],
            "origin": "feed",
            "received_at": str(letter.received_at),
            "index": str(letter.index),
        }
        if len(letter.value) > ORIGINAL_BYTES_KEPT:
            headers["bytes"] = str(len(letter.value))
        self._producer.produce(
            self._dead_letter_topic,
            letter.value[:ORIGINAL_BYTES_KEPT],
            headers=[(name, text.encode("utf-8", "replace")) for name, text in headers.items()],
            on_delivery=on_delivery,
        )

    def poll(self, wait_s: float) -> None:
        """Serve delivery reports."""
        self._producer.poll(wait_s)

    def flush(self, within_s: float) -> None:
        """Wait until everything is delivered or has failed, or the time is up."""
        self._producer.flush(within_s)

    def abandon(self) -> None:
        """Throw away what is queued or under way."""
        self._producer.purge()
        self._producer.poll(0)
