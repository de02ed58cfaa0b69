"""How every client of ours reaches Kafka: one configuration, for librdkafka."""

import logging
from functools import lru_cache
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from market_pipeline.mendable import Mendable
from market_pipeline.settings import Settings
from market_pipeline.unanswered import cure

TIMEOUT_S = 5.0
LIBRDKAFKA = logging.getLogger("market_pipeline.broker.librdkafka")

_SILENCE = {"_TIMED_OUT", "_TIMED_OUT_QUEUE", "_TRANSPORT", "_ALL_BROKERS_DOWN", "_RESOLVE", "_WAIT_COORD"}
"""librdkafka's own names for it."""


class BrokerUnreachableError(Mendable):
    """Kafka did not answer in time; the message says where it was looked for and what to do.

    What to do is found out when it is told: whoever tries again tells nobody.
    """

    def __init__(self, settings: Settings, why: object) -> None:
        super().__init__(why)
        self._settings = settings
        self.why = reason(why)

    def __str__(self) -> str:
        servers, what = self._settings.bootstrap_servers, "check KAFKA_BOOTSTRAP_SERVERS"
        if self._settings.embedded_kafka:
            what = cure(self._settings, "kafka", servers.split(","))
        return f"Kafka does not answer at {servers} ({self.why}): {what}"


def reason(error: object) -> str:
    """What librdkafka says, without its internal codes."""
    inner = error.args[0] if isinstance(error, KafkaException) and error.args else error
    text = inner.str() if isinstance(inner, KafkaError) else str(inner)
    return text.replace("Local: ", "").replace("Broker: ", "")


def is_silence(error: KafkaException) -> bool:
    """Whether nobody answered, or whoever did could not reach the rest, as opposed to a refusal."""
    return error.args[0].name() in _SILENCE


def client_config(settings: Settings) -> dict[str, Any]:
    """The part of librdkafka's configuration that producers, consumers and admin clients share."""
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": "market-pipeline",
        "reconnect.backoff.ms": 100,
        "reconnect.backoff.max.ms": 2_000,
        "socket.nagle.disable": True,
        "log_level": 3,
    }


def admin(settings: Settings) -> AdminClient:
    """One client a process: librdkafka fails what is under way when its last reference goes, and a new one connects
    anew."""
    return _admin(tuple(sorted(client_config(settings).items())))


@lru_cache(maxsize=8)
def _admin(config: tuple[tuple[str, Any], ...]) -> AdminClient:
    return AdminClient(dict(config), logger=LIBRDKAFKA)
