"""Setting a consumer group's offsets from outside of it."""

import time
from collections.abc import Mapping
from contextlib import closing

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from market_pipeline.broker.client import LIBRDKAFKA, TIMEOUT_S, BrokerUnreachableError, is_silence
from market_pipeline.broker.offsets import MOMENTARY, member_of_nothing
from market_pipeline.settings import Settings


class OffsetsRefused(Exception):
    """Kafka does not set a group's offsets: it has members, for one, who would lose their place."""

    def __init__(self, group: str, error: KafkaError) -> None:
        super().__init__(
            f"Kafka does not set the offsets of group {group} ({error.str()}): does anybody consume with it?"
        )


class Committer:
    """Commits for a group of which it is no member, one commit at a time, and nobody has to wait for the answer.

    A consumer that never subscribes. The admin client's way (AlterConsumerGroupOffsets) aborts the process, in
    librdkafka 2.16, when the coordinator's connection breaks at the wrong moment, as that of a broker does which hangs
    for minutes and comes back: https://github.com/confluentinc/librdkafka/issues/4605.
    """

    def __init__(self, settings: Settings, group: str, topic: str) -> None:
        self._settings = settings
        self._group = group
        self._topic = topic
        self._sent: dict[int, int] | None = None
        self._outcome: KafkaError | None = None
        self._answered = False
        self._consumer = member_of_nothing(settings, group, on_commit=self._on_commit, logger=LIBRDKAFKA)

    @property
    def waits(self) -> bool:
        """Whether a commit was sent whose answer was not taken yet."""
        return self._sent is not None

    def send(self, offsets: Mapping[int, int]) -> None:
        """Ask for the group's next offset of each partition to be set; only when no commit waits."""
        assert not self.waits
        self._sent, self._answered = dict(offsets), False
        try:
            self._consumer.commit(
                offsets=[TopicPartition(self._topic, partition, offset) for partition, offset in offsets.items()],
                asynchronous=True,
            )
        except KafkaException as error:  # it was not even sent
            self._outcome, self._answered = error.args[0], True

    def answer(self, within_s: float = 0.0) -> dict[int, int] | None:
        """The offsets that are set now; None while the answer has not come.

        Raises:
            BrokerUnreachableError: Kafka did not answer the commit; another can be sent.
            OffsetsRefused: it answered, and does not take the offsets.
        """
        deadline = time.monotonic() + within_s
        while not self._answered:
            left_s = deadline - time.monotonic()
            self._consumer.poll(max(0.0, min(left_s, 0.1)))
            if left_s <= 0:
                break
        if not self._answered or self._sent is None:
            return None
        sent, self._sent = self._sent, None
        if self._outcome is None:
            return sent
        if is_silence(KafkaException(self._outcome)) or self._outcome.code() in MOMENTARY:
            raise BrokerUnreachableError(self._settings, self._outcome)
        raise OffsetsRefused(self._group, self._outcome)

    def close(self) -> None:
        self._consumer.close()

    def _on_commit(self, error: KafkaError | None, parts: list[TopicPartition]) -> None:
        self._outcome = error or next((part.error for part in parts if part.error is not None), None)
        self._answered = True


def commit_group_offsets(settings: Settings, group: str, topic: str, offsets: Mapping[int, int]) -> None:
    """Set the group's next offsets, and wait for it.

    Raises:
        BrokerUnreachableError: Kafka does not answer.
        OffsetsRefused: it answers, and does not take them.
    """
    with closing(Committer(settings, group, topic)) as committer:
        committer.send(offsets)
        if committer.answer(TIMEOUT_S) is None:
            raise BrokerUnreachableError(settings, "the commit was not answered")
