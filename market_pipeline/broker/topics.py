"""Kafka's topics: which there are, how they are configured, and that they exist. Auto-creation is off on purpose."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic

from market_pipeline.broker.client import TIMEOUT_S, BrokerUnreachableError, admin, is_silence, reason
from market_pipeline.mendable import Mendable
from market_pipeline.settings import Settings

HOUR_MS = 3_600_000
logger = logging.getLogger(__name__)


class TopicError(Mendable):
    """Kafka refused what was asked of a topic; the message is one line."""


@dataclass(frozen=True)
class TopicSpec:
    """A topic as the pipeline needs it; ``config`` holds Kafka's own names."""

    name: str
    partitions: int
    replication: int
    config: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TopicDescription:
    name: str
    partitions: int
    replication: int
    leaderless: int


def pipeline_topics(settings: Settings) -> tuple[TopicSpec, ...]:
    """``trades_raw`` keeps hours (the journal and the bronze archive keep more); dead letters wait for a person."""
    durable = {"min.insync.replicas": str(min(2, settings.kafka_replication))}
    return (
        TopicSpec(
            settings.topic,
            settings.kafka_partitions,
            settings.kafka_replication,
            {
                **durable,
                "retention.ms": str(settings.kafka_retention_hours * HOUR_MS),
                "segment.ms": str(HOUR_MS),
                "compression.type": "producer",
                "message.timestamp.type": "CreateTime",
            },
        ),
        TopicSpec(
            settings.dead_letter_topic,
            1,
            settings.kafka_replication,
            {**durable, "retention.ms": str(30 * 24 * HOUR_MS), "max.message.bytes": str(8 * 1024 * 1024)},
        ),
    )


def ensure_topics(settings: Settings) -> list[str]:
    """Create the pipeline's topics where they are missing and configure those that are there as the settings say now.

    Only the options of ``pipeline_topics`` are touched. A Kafka that lets nobody configure topics is told in the log.

    Returns:
        what was created.

    Raises:
        BrokerUnreachableError: Kafka does not answer.
        TopicError: Kafka refuses (more replicas than brokers, say).
    """
    present = {topic.name: topic for topic in list_topics(settings)}
    missing = [spec for spec in pipeline_topics(settings) if spec.name not in present]
    for spec in missing:
        create_topic(settings, spec)
    for spec in pipeline_topics(settings):
        if (found := present.get(spec.name)) is not None:
            _configure(settings, spec)
            if found.partitions != spec.partitions:  # more would move symbols between them, and break their order
                logger.warning(
                    "topic %s keeps its %d partitions (%d are set, which a new topic would get)",
                    *(spec.name, found.partitions, spec.partitions),
                )
    return [spec.name for spec in missing]


def list_topics(settings: Settings, *, internal: bool = False) -> list[TopicDescription]:
    """Every topic by name, Kafka's own (``__…``) only when asked for.

    Raises:
        BrokerUnreachableError: Kafka does not answer.
    """
    try:
        metadata = admin(settings).list_topics(timeout=TIMEOUT_S)
    except KafkaException as error:
        raise BrokerUnreachableError(settings, error) from None
    return [
        TopicDescription(
            name,
            len(topic.partitions),
            len(topic.partitions[0].replicas) if topic.partitions else 0,
            sum(1 for partition in topic.partitions.values() if partition.leader < 0),
        )
        for name, topic in sorted(metadata.topics.items())
        if internal or not name.startswith("__")
    ]


def topic_id(settings: Settings, name: str) -> str:
    """Kafka's id of a topic; one that is created again under the name has another.

    Raises:
        BrokerUnreachableError: Kafka does not answer.
        TopicError: there is no such topic.
    """
    try:
        request = admin(settings).describe_topics(TopicCollection([name]), request_timeout=TIMEOUT_S)
        return str(request[name].result().topic_id)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise TopicError(f"there is no topic {name}: `market-pipeline init` creates it") from None
        raise BrokerUnreachableError(settings, error) from None


def create_topic(settings: Settings, spec: TopicSpec) -> None:
    """Create one topic and wait until its partitions have leaders; one that another process just made is fine too.

    Raises:
        BrokerUnreachableError: Kafka does not answer.
        TopicError: Kafka refuses.
    """
    new = NewTopic(spec.name, num_partitions=spec.partitions, replication_factor=spec.replication, config=spec.config)
    future = admin(settings).create_topics([new], operation_timeout=TIMEOUT_S, request_timeout=TIMEOUT_S)[spec.name]
    try:
        future.result(timeout=2 * TIMEOUT_S)
    except KafkaException as error:
        if is_silence(error):
            raise BrokerUnreachableError(settings, error) from None
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise TopicError(f"topic {spec.name} was not created: {error.args[0].str()}") from None
    _wait_for_leaders(settings, {spec.name})


def delete_topic(settings: Settings, name: str) -> None:
    """Delete a topic with all its records.

    Raises:
        BrokerUnreachableError: Kafka does not answer.
        TopicError: there is no such topic, or Kafka refuses.
    """
    future = admin(settings).delete_topics([name], operation_timeout=TIMEOUT_S, request_timeout=TIMEOUT_S)[name]
    try:
        future.result(timeout=2 * TIMEOUT_S)
    except KafkaException as error:
        if is_silence(error):
            raise BrokerUnreachableError(settings, error) from None
        raise TopicError(f"topic {name} was not deleted: {error.args[0].str()}") from None


def topic_configuration(settings: Settings, name: str) -> dict[str, str]:
    """A topic's configuration as Kafka has it, its own defaults included.

    Raises:
        BrokerUnreachableError: Kafka does not answer.
        TopicError: there is no such topic.
    """
    try:
        have = _configuration(settings, name)
    except KafkaException as error:
        if is_silence(error):
            raise BrokerUnreachableError(settings, error) from None
        raise TopicError(f"topic {name} tells no configuration: {reason(error)}") from None
    return {key: str(value) for key, value in have.items()}


def configure_topic(settings: Settings, name: str, options: Mapping[str, str]) -> None:
    """Set options of a topic, by Kafka's own names, while it is used; its others stay.

    Raises:
        BrokerUnreachableError: Kafka does not answer.
        TopicError: there is no such topic, or Kafka refuses.
    """
    try:
        _alter(settings, name, options)
    except KafkaException as error:
        if is_silence(error):
            raise BrokerUnreachableError(settings, error) from None
        raise TopicError(f"topic {name} keeps its configuration: {reason(error)}") from None


def add_partitions(settings: Settings, name: str, total: int) -> None:
    """Have a topic consist of ``total`` partitions, and wait until they have leaders. What is in it stays where it is.

    Raises:
        BrokerUnreachableError: Kafka does not answer.
        TopicError: there is no such topic, it has as many or more, or Kafka refuses.
    """
    more = [NewPartitions(name, total)]
    future = admin(settings).create_partitions(more, operation_timeout=TIMEOUT_S, request_timeout=TIMEOUT_S)[name]
    try:
        future.result(timeout=2 * TIMEOUT_S)
    except KafkaException as error:
        if is_silence(error):
            raise BrokerUnreachableError(settings, error) from None
        raise TopicError(f"topic {name} keeps its partitions: {reason(error)}") from None
    _wait_for_leaders(settings, {name})


def _configuration(settings: Settings, name: str) -> dict[str, str | None]:
    resource = ConfigResource(ConfigResource.Type.TOPIC, name)
    entries = admin(settings).describe_configs([resource], request_timeout=TIMEOUT_S)[resource].result()
    return {key: entry.value for key, entry in entries.items()}


def wait_for_kafka(settings: Settings, timeout_s: float) -> None:
    """Return when the broker answers a metadata request.

    Raises:
        BrokerUnreachableError: it did not within ``timeout_s``.
    """
    deadline = time.monotonic() + timeout_s
    client = admin(settings)
    while True:
        try:
            client.list_topics(timeout=min(1.0, timeout_s))
        except KafkaException as error:
            if time.monotonic() > deadline:
                raise BrokerUnreachableError(settings, error) from None
        else:
            return


def outdated(wanted: Mapping[str, str], have: Mapping[str, str | None]) -> dict[str, str]:
    """The options that have another value than they should have. Pure."""
    return {name: value for name, value in wanted.items() if have.get(name) != value}


def _configure(settings: Settings, spec: TopicSpec) -> None:
    try:
        have = _configuration(settings, spec.name)
        changes = outdated(spec.config, have)
        if not changes:
            return
        _alter(settings, spec.name, changes)
    except KafkaException as error:
        logger.warning("topic %s keeps its configuration: %s", spec.name, reason(error))
        return
    for name, value in changes.items():
        logger.info("topic %s: %s is %s now, it was %s", spec.name, name, value, have.get(name))


def _alter(settings: Settings, topic: str, options: Mapping[str, str]) -> None:
    change = ConfigResource(
        ConfigResource.Type.TOPIC,
        topic,
        incremental_configs=[
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in options.items()
        ],
    )
    admin(settings).incremental_alter_configs([change], request_timeout=TIMEOUT_S)[change].result()


def _wait_for_leaders(settings: Settings, names: set[str]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        ready = {t.name for t in list_topics(settings) if t.partitions and not t.leaderless}
        if names <= ready:
            return
        time.sleep(0.05)
    raise TopicError(f"no leader within 30 s for {', '.join(sorted(names - ready))}")
