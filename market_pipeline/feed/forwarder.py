"""From the journal to Kafka: follows the journal, normalises, produces, and confirms frames in their order.

While Kafka is away it waits, and the journal is the spool. Whatever goes wrong between here and Kafka is answered by
starting again from the confirmed position: the same frames make the same records.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import takewhile

from confluent_kafka import KafkaError, KafkaException, Message

from market_pipeline.feed.journal import Frame, Journal, read_frames
from market_pipeline.feed.normalise import ANYTHING, DeadLetter, Normaliser
from market_pipeline.feed.outbox import RECORDS_FAULT, Outbox
from market_pipeline.feed.subscribed import Subscribed
from market_pipeline.model import Rejection, Trade

logger = logging.getLogger(__name__)
WARM_UP_US = 60_000_000
"""How much of the journal before the confirmed position is read to know the counts within a millisecond again."""
MAX_UNDER_WAY = 50_000
"""Records handed to Kafka and not yet confirmed; more would only move the spool from the disk to memory."""
KAFKA_AWAY_S = 2.0
"""How long a stop waits for a Kafka that is known not to answer: the journal keeps what it would get."""
_WAIT_S = 0.05
_START_AGAIN_S = 1.0

OpenOutbox = Callable[[Callable[[KafkaError], None]], Outbox]


@dataclass
class ForwarderState:
    """For the heartbeat: records handed to Kafka, records it confirmed, and what it says when it does not."""

    produced: int = 0
    confirmed: int = 0
    dead_letters: int = 0
    kafka_error: str | None = None


class StartAgain(Exception):
    """Kafka refused a record that it should have taken: go back to the confirmed position with a new client."""


class Forwarder:
    """Forwards until told to finish, then until everything is delivered or the time is over.

    Args:
        journal: what to follow.
        source: the feed, for frames that don't tell it themselves.
        open_outbox: makes a connection to Kafka, given what to call with its errors; called again after a failure.
        subscribed: what may be received; by default anything.
    """

    def __init__(
        self, journal: Journal, source: str, open_outbox: OpenOutbox, subscribed: Subscribed = ANYTHING
    ) -> None:
        self.state = ForwarderState()
        self.normaliser = Normaliser(source, subscribed)
        self._journal = journal
        self._open_outbox = open_outbox
        self._clock_warned = False
        self._finish_by: float | None = None
        self._give_up_by = 0.0

    def finish(self, within_s: float) -> None:
        """Stop once all that was received is delivered, or after ``within_s`` seconds, or soon if Kafka is away."""
        self._give_up_by = time.monotonic() + KAFKA_AWAY_S
        self._finish_by = time.monotonic() + within_s

    def run(self) -> None:
        """Forward until finished.

        Raises:
            OSError: the journal can't be read.
        """
        while not self.out_of_time:
            try:
                self.passage().run()
            except (StartAgain, KafkaException) as error:
                self.note_error(error.args[0])
                time.sleep(_START_AGAIN_S)
            else:
                return

    def passage(self) -> "Passage":
        """A new client, and the counts within a millisecond as they were at the confirmed position.

        Raises:
            OSError: the journal can't be read.
            KafkaException: the client can't be made.
        """
        self._warm_up(self._journal.confirmed)
        return Passage(self, self._journal, self._open_outbox(self.note_error))

    def _warm_up(self, confirmed: int) -> None:
        frames = read_frames(self._journal.directory, confirmed - WARM_UP_US)
        self.normaliser.remember(takewhile(lambda frame: frame.received_at <= confirmed, frames))

    @property
    def finishing(self) -> bool:
        return self._finish_by is not None

    @property
    def out_of_time(self) -> bool:
        if self._finish_by is None:
            return False
        now = time.monotonic()
        return now > self._finish_by or (self.state.kafka_error is not None and now > self._give_up_by)

    def normalised(self, frame: Frame) -> list[Trade | DeadLetter]:
        """What a frame holds, in order."""
        items = self.normaliser.items(frame)
        if self.normaliser.clock_is_slow and not self._clock_warned:
            self._clock_warned = True
            logger.error("trades bear times ahead of this machine's clock, and are dead letters: set the clock by NTP")
        return items

    def note_error(self, error: object) -> None:
        """Remember what Kafka says; log the first of an outage (librdkafka repeats itself, with other figures)."""
        text = said(error) if isinstance(error, KafkaError) else str(error)
        if self.state.kafka_error is None:
            logger.warning("Kafka: %s; what is received waits in the journal", text)
        self.state.kafka_error = text

    def note_delivered(self) -> None:
        self.state.confirmed += 1
        if self.state.kafka_error is not None:
            logger.info("Kafka takes records again")
            self.state.kafka_error = None


def said(error: KafkaError) -> str:
    """What librdkafka says, but for one sentence that says the opposite ("0/2 brokers are down")."""
    return "no broker answers" if error.name() == "_ALL_BROKERS_DOWN" else error.str()


class _Pending:
    """A frame some of whose records are under way."""

    __slots__ = ("left", "received_at")

    def __init__(self, received_at: int, records: int) -> None:
        self.received_at = received_at
        self.left = records


class Passage:
    """One life of a Kafka client, from the confirmed position on. Reports that come after its end change nothing."""

    def __init__(self, forwarder: Forwarder, journal: Journal, outbox: Outbox) -> None:
        self._forwarder = forwarder
        self._journal = journal
        self._outbox = outbox
        self._tail = journal.tail()
        self._pending: deque[_Pending] = deque()
        self._under_way = 0
        self._failure: str | None = None
        self._over = False

    def run(self) -> None:
        """Forward until everything is delivered, once told to finish, or out of time.

        Raises:
            StartAgain: a record was refused.
            KafkaException: the client is broken.
            OSError: the journal can't be read.
        """
        try:
            while not self._forwarder.out_of_time:
                read = self.step(0.0 if self._forwarder.finishing else _WAIT_S)
                if self._forwarder.finishing and not read and not self._pending:
                    return
        finally:
            self.close()

    def step(self, wait_s: float) -> int:
        """Send what is new, confirm what is delivered; returns how many frames were new within ``wait_s`` seconds.

        Raises: as ``run``.
        """
        frames = self._tail.read(wait_s)
        for frame in frames:
            self._send(frame)
        self._serve(_WAIT_S if self._forwarder.finishing and not frames else 0.0)
        return len(frames)

    def close(self) -> None:
        """Throw away what is not delivered: another passage begins at the confirmed position."""
        self._over = True
        self._tail.close()
        self._outbox.abandon()

    def _send(self, frame: Frame) -> None:
        items = self._forwarder.normalised(frame)
        pending = _Pending(frame.received_at, len(items))
        self._pending.append(pending)
        for index, item in enumerate(items):  # an item an element, or one for a whole frame that is none
            delivered = partial(self._delivered, pending, index)
            while not self._put(item, delivered):
                self._serve(_WAIT_S)
                if self._forwarder.out_of_time:
                    return
            self._under_way += 1
            self._forwarder.state.produced += 1
        while self._under_way >= MAX_UNDER_WAY and not self._forwarder.out_of_time:
            self._serve(_WAIT_S)

    def _put(self, item: Trade | DeadLetter, delivered: Callable[[KafkaError | None, Message], None]) -> bool:
        try:
            self._forwarder.state.dead_letters += self._outbox.put(item, delivered)
        except BufferError:
            return False
        return True

    def _serve(self, wait_s: float) -> None:
        """Take delivery reports and confirm the frames that are whole, in their order."""
        self._outbox.poll(wait_s)
        if self._failure is not None:
            raise StartAgain(self._failure)
        whole = 0
        while self._pending and self._pending[0].left == 0:
            last = self._pending.popleft().received_at
            whole += 1
        if whole:
            self._journal.confirm(last, whole, self._pending[0].received_at if self._pending else None)

    def _delivered(self, pending: _Pending, index: int, error: KafkaError | None, record: Message) -> None:
        if self._over:
            return
        if error is None:
            pending.left -= 1
            self._under_way -= 1
            self._forwarder.note_delivered()
        elif error.code() in RECORDS_FAULT and record.topic() == self._outbox.topic:
            value = record.value() or b""
            letter = DeadLetter(Rejection.TOO_LARGE, error.str(), value, pending.received_at, index)
            if not self._put(letter, partial(self._delivered, pending, index)):
                self._failure = "no room for a dead letter"
        else:
            self._failure = f"record refused: {error.str()}"
