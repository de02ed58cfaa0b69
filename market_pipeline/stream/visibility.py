"""True lag: about once a second, is the newest trade that Kafka has queryable yet?

In real-time mode Spark tells its offsets once a commit, half a minute apart, while rows are queryable milliseconds
after they came. So the newest record of each partition is looked up in ``trades_silver`` by its primary key. When it is
there, the partition's end as it was then is the offset up to which everything is queryable, and is mirrored to the
consumer group that Kafka's own tools show. A display: nothing reads its position back from there.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from cassandra.cluster import Session
from confluent_kafka import Consumer, KafkaException, TopicPartition

from market_pipeline.broker.client import BrokerUnreachableError, client_config, reason
from market_pipeline.broker.commits import Committer, OffsetsRefused
from market_pipeline.broker.offsets import begin_offsets, end_offsets, group_offsets
from market_pipeline.broker.topics import TopicError
from market_pipeline.model import Trade
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import STORE_ERRORS, prepared
from market_pipeline.store.failure import one_line
from market_pipeline.store.trade_key import BY_KEY, silver_key
from market_pipeline.stream.queryable import Awaited, Queryable, View, first_of, newest_of

LOOK_EVERY_S = 1.0
LOOK_BACK = 100
"""Records before the end among which a trade is looked for; when all of them are dead letters, they count as seen."""
FETCH_TIMEOUT_S = 2.0
TOLD_AT_LOOK = 2
"""One that fails is no news; both servers have watchers of their own."""
logger = logging.getLogger(__name__)


class Visibility:
    """The thread that looks. ``committed`` gives the offsets that Spark itself has told of ``trades_silver``."""

    def __init__(self, settings: Settings, session: Session, committed: Callable[[], Mapping[int, int]]) -> None:
        self._settings = settings
        self._session = session
        self._committed = committed
        self._queryable = Queryable(settings.topic)
        self._mirror = Mirror(settings)
        self._blind = 0
        """Looks in a row that failed."""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="visibility", daemon=True)
        self._consumer = Consumer(
            client_config(settings)
            | {
                "group.id": "market-pipeline-visibility",
                "enable.auto.commit": False,
                # what retention took from the records that are looked back at is passed over
                "auto.offset.reset": "earliest",
                # a record or two is all that is wanted of each look
                "queued.min.messages": 1,
                "queued.max.messages.kbytes": 1024,
                "fetch.message.max.bytes": 65_536,
            },
            logger=logging.getLogger("market_pipeline.stream.librdkafka"),
        )
        self._query = f"SELECT received_at FROM {settings.keyspace}.trades_silver WHERE {BY_KEY}"
        self.view = View()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join(timeout=5)

    @property
    def advanced_at(self) -> float:
        """When something new became queryable, or when nothing was waiting any more (monotonic seconds)."""
        return self._queryable.advanced_at

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def look(self) -> None:
        """One look at both ends.

        Raises:
            BrokerUnreachableError, TopicError, KafkaException: Kafka does not answer.
            any of ``STORE_ERRORS``: Cassandra does not answer.
        """
        committed = self._committed()  # asked for first: what is in it and not found below was rejected
        wanted = self._queryable.ends(end_offsets(self._settings, self._settings.topic))
        for partition in wanted:
            awaited = self._newest_trade(partition, self._queryable.end(partition))
            if awaited is not None:
                self._queryable.wait_for(partition, awaited)
        for partition, awaited in self._queryable.awaited.items():
            if awaited.trade is None or self._is_queryable(awaited.trade):
                self._queryable.found(partition)
        self._queryable.reached(committed)
        for partition, offset in self._queryable.unread().items():
            oldest = self._oldest_trade(partition, offset, self._queryable.end(partition))
            if oldest is not None:
                self._queryable.oldest_is(partition, offset, oldest.received_at)
        self.view = self._queryable.view()

    def _run(self) -> None:
        self._start_from_group()
        while not self._stopped.wait(LOOK_EVERY_S):
            try:
                self.look()
                self._mirror.show(self._queryable.visible)
            except (BrokerUnreachableError, TopicError, KafkaException, *STORE_ERRORS) as error:
                self.view = View()
                self._blind += 1
                if self._blind == TOLD_AT_LOOK:
                    logger.warning("trades may wait, lag is unknown: %s", _told(error))
            except Exception:
                logger.exception("visibility")
            else:
                if self._blind >= TOLD_AT_LOOK:
                    logger.info("Kafka and Cassandra answer again")
                self._blind = 0
        self._consumer.close()
        self._mirror.close()

    def _start_from_group(self) -> None:
        try:
            known = group_offsets(self._settings, self._settings.consumer_group, self._settings.topic)
            ends = end_offsets(self._settings, self._settings.topic)
            # of a topic that was made anew the group may still have the old one's offsets
            self._queryable.reached({p: at for p, at in known.items() if at is not None and at <= ends.get(p, 0)})
        except (BrokerUnreachableError, TopicError) as error:
            logger.debug("no earlier offsets: %s", error)

    def _newest_trade(self, partition: int, end: int) -> Awaited | None:
        """None when Kafka did not give the last record in time: the next look tries again."""
        for back in (1, LOOK_BACK):
            awaited = newest_of(end, self._last_records(partition, end, back))
            if awaited is None or awaited.trade is not None:
                break
        if awaited is None and begin_offsets(self._settings, self._settings.topic).get(partition, 0) >= end:
            return Awaited(end, None)  # retention took all that there was
        return awaited

    def _oldest_trade(self, partition: int, offset: int, end: int) -> Trade | None:
        """The first trade at ``offset`` or behind it; None when Kafka did not give it in time."""
        for count in (1, LOOK_BACK):
            upto = min(end, offset + count)
            if (trade := first_of(self._last_records(partition, upto, upto - offset))) is not None:
                return trade
        return None

    def _last_records(self, partition: int, end: int, count: int) -> list[tuple[int, bytes]]:
        """The offsets and values of up to ``count`` records below ``end``, or what came of them in time."""
        start = max(0, end - count)
        self._consumer.assign([TopicPartition(self._settings.topic, partition, start)])
        records: list[tuple[int, bytes]] = []
        deadline = time.monotonic() + FETCH_TIMEOUT_S
        try:
            while time.monotonic() < deadline:
                for message in self._consumer.consume(count, timeout=0.2):
                    offset = message.offset()
                    if message.error() is not None or offset is None:
                        continue
                    if offset < end:
                        records.append((offset, message.value() or b""))
                    if offset >= end - 1:
                        return records
        finally:
            self._consumer.unassign()
        return records

    def _is_queryable(self, trade: Trade) -> bool:
        row = self._session.execute(prepared(self._session, self._query), silver_key(trade)).one()
        return row is not None and is_row_of(trade, row.received_at)


def is_row_of(trade: Trade, stored_at: datetime | None) -> bool:
    """Whether a row was written for this receipt of the trade, or a later one: of a trade that is replayed the table
    has a row before the stream has written anything. Cassandra keeps milliseconds, in UTC and without a zone."""
    if stored_at is None:  # by a version that did not keep it
        return True
    return round(stored_at.replace(tzinfo=UTC).timestamp() * 1000) >= trade.received_at // 1000


def _told(error: Exception) -> str:
    if isinstance(error, STORE_ERRORS):
        return one_line(error)
    return reason(error)


class Mirror:
    """The offsets that Kafka's own tools show for the stream's group: those up to which everything is queryable."""

    def __init__(self, settings: Settings) -> None:
        self._committer = Committer(settings, settings.consumer_group, settings.topic)
        self._shown: dict[int, int] = {}
        self._refused = False

    def show(self, visible: Mapping[int, int]) -> None:
        """Ask for what is new to be shown, if the last request was answered.

        Raises:
            BrokerUnreachableError: Kafka did not answer the last request.
        """
        try:
            if self._committer.waits:
                shown = self._committer.answer()
                if shown is None:
                    return
                self._shown |= shown
                self._refused = False
        except OffsetsRefused as error:
            if not self._refused:
                logger.warning("Kafka's own tools show an old lag from now on: %s", error)
            self._refused = True
        changed = {p: offset for p, offset in visible.items() if self._shown.get(p) != offset}
        if changed:
            self._committer.send(changed)

    def close(self) -> None:
        self._committer.close()
