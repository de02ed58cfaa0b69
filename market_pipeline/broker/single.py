"""One record, and the word of Kafka that it has it."""

from typing import Any

from confluent_kafka import KafkaException, Message, Producer

from market_pipeline.broker.client import BrokerUnreachableError, client_config, reason
from market_pipeline.settings import Settings


def send_one(
    settings: Settings, topic: str, key: bytes, value: bytes, timestamp_ms: int, within_s: float
) -> tuple[int, int]:
    """Send a record as the producer of trades does; returns its partition and offset.

    Raises:
        BrokerUnreachableError: Kafka did not take it in time.
    """
    delivered: list[Message | Any] = []
    lasts = {"delivery.timeout.ms": int(within_s * 1000), "linger.ms": 0}
    configuration = client_config(settings) | {"acks": "all", "partitioner": "murmur2_random"} | lasts
    # that nobody answers is told by what is raised, not by librdkafka's lines
    producer = Producer(configuration | {"log_level": 0})
    try:
        producer.produce(
            topic, value, key, timestamp=timestamp_ms, on_delivery=lambda error, told: delivered.append(error or told)
        )
        producer.flush(within_s)
    except KafkaException as error:
        raise BrokerUnreachableError(settings, error) from None
    if not delivered:
        raise BrokerUnreachableError(settings, f"it took no record within {within_s:.0f} s")
    (message,) = delivered
    if not isinstance(message, Message):
        raise BrokerUnreachableError(settings, reason(message))
    return message.partition() or 0, message.offset() or 0
