"""Journal, forwarder and broker as one state machine: whatever happens in whatever order, what was kept arrives.

The journal and the forwarder are the real ones. The broker speaks the producer's interface at its edge.
"""

import errno
import itertools
import json
import os
import random
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from market_pipeline.feed.forwarder import Forwarder, Passage, StartAgain
from market_pipeline.feed.journal import Journal, JournalFull, read_frames
from market_pipeline.feed.journal.retention import Limits, free_oldest, tidy
from market_pipeline.feed.outbox import Outbox
from market_pipeline.model import decode, encode, trade_id
from market_pipeline_tests.unit.feed.power_cut import Disk
from market_pipeline_tests.unit.feed.test_forwarder import DEAD, TRADES, Broker, FakeProducer, Record

START_US = 1_763_000_000_000_000
SYMBOLS = ("A", "B", "C")


class IdempotentProducer(FakeProducer):
    """As librdkafka's with idempotence on: behind a record that failed for good nothing else of the client arrives."""

    def __init__(self, broker: Broker) -> None:
        super().__init__(broker)
        self._fatal: KafkaError | None = None

    def poll(self, wait_s: float) -> int:
        if self._broker.away:
            return 0
        queue, self._queue = self._queue, []
        for record in queue:
            error = self._fatal or self._broker.refuse(record)
            if error is None:
                self._broker.log.append(record)
            elif error.code() != KafkaError.MSG_SIZE_TOO_LARGE:
                self._fatal = error
            record.report(error, record)
        return len(queue)

    def arrive_unreported(self, count: int) -> None:
        """The broker takes records, and the producer dies before it hears of it."""
        if not self._broker.away and not self._fatal:
            taken = itertools.takewhile(lambda record: self._broker.refuse(record) is None, self._queue[:count])
            self._broker.log += taken


class Delivery(RuleBasedStateMachine):
    """``kept`` are the frames that a power cut must not take; ``appended`` all that the journal said it has."""

    @initialize(segment_bytes=st.sampled_from([100, 400, 3000]))
    def begin(self, segment_bytes: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.directory = Path(self.folder.name)
        self.patch = pytest.MonkeyPatch()
        self.disk = Disk(self.directory, self.patch)
        self.segment_bytes = segment_bytes
        self.now = START_US
        self.count = 0
        self.appended: dict[int, bytes] = {}
        self.kept: set[int] = set()
        self.deleted: set[int] = set()
        self.broker = Broker(refuse=self._refuse)
        self.too_large: set[int] = set()
        self.fails_in = -1
        self.producer: IdempotentProducer | None = None
        self.judged = 0
        self.values: dict[str, bytes] = {}
        self.arrived: set[tuple[int, int]] = set()
        self.newest: dict[str, str] = {}
        self._open()

    def _open(self) -> None:
        self.journal = Journal(self.directory, "finnhub", self.segment_bytes, lambda: self.now)
        self.forwarder = Forwarder(self.journal, "finnhub", self._outbox)
        self.passage: Passage | None = None

    def _outbox(self, on_error: Callable[[KafkaError], None]) -> Outbox:
        self.producer = IdempotentProducer(self.broker)
        return Outbox(self.producer, TRADES, DEAD)

    # what comes in

    def _payload(self, symbols: list[str], odd: bool) -> bytes:
        elements: list[Any] = []
        for symbol in symbols:
            self.count += 1
            elements.append({"s": symbol, "p": self.count, "t": START_US // 1000, "v": 1})
        return json.dumps({"type": "trade", "data": [*elements, *([{"s": "A"}] if odd else [])]}).encode()

    @rule(symbols=st.lists(st.sampled_from(SYMBOLS), max_size=4), odd=st.booleans(), after_us=st.integers(0, 50))
    def append(self, symbols: list[str], odd: bool, after_us: int) -> None:
        self.now += after_us
        frame = self.journal.append(self._payload(symbols, odd))
        assert frame.received_at not in self.appended
        self.appended[frame.received_at] = frame.payload

    @rule(back_us=st.integers(1, 1000))
    def set_the_clock_back(self, back_us: int) -> None:
        self.now -= back_us

    @rule(written=st.integers(0, 60), torn=st.booleans(), make_room=st.booleans())
    def append_on_a_full_disk(self, written: int, torn: bool, make_room: bool) -> None:
        """Some bytes may be written, and may be all that is left where they can't be taken back."""
        write = os.write

        def fills_up(descriptor: int, data: bytes) -> int:
            nonlocal written
            if written:
                part = write(descriptor, bytes(data[:written]))
                written = 0
                return part
            raise OSError(errno.ENOSPC, "No space left on device")

        def refuses(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "write", fills_up)
            if torn:
                patch.setattr(os, "ftruncate", refuses)
            try:
                frame = self.journal.append(self._payload(["A"], False))
            except JournalFull:
                pass
            else:  # the bytes that were left sufficed
                self.appended[frame.received_at] = frame.payload
        if make_room:
            free_oldest(self.directory, self.journal.confirmed)
            self._note_deleted()

    # what goes out

    @rule()
    def forward(self) -> None:
        appended = set(self.appended)
        try:
            if self.passage is None:
                self.passage = self.forwarder.passage()
            self.passage.step(0.0)
        except (StartAgain, KafkaException):
            self._end_passage()
        self.kept |= appended

    def _end_passage(self) -> None:
        if self.passage is not None:
            self.passage.close()
        self.passage = None

    @rule()
    def sync(self) -> None:
        self.journal.sync()
        self.kept |= set(self.appended)

    @rule()
    def save_the_position(self) -> None:
        self.journal.save_position()

    @rule(keep_us=st.integers(0, 300), max_bytes=st.sampled_from([0, 300, 10**9]))
    def tidy(self, keep_us: int, max_bytes: int) -> None:
        tidy(self.directory, self.journal.confirmed, self.now, Limits(keep_us, max_bytes))
        self._note_deleted()

    def _note_deleted(self) -> None:
        there = {frame.received_at for frame in read_frames(self.directory)}
        gone = set(self.appended) - there - self.deleted
        assert all(received_at <= self.journal.confirmed for received_at in gone)
        self.deleted |= gone

    # what goes wrong

    @rule()
    def broker_goes_away(self) -> None:
        self.broker.away = True

    @rule()
    def broker_comes_back(self) -> None:
        self.broker.away = False

    @rule(ahead=st.integers(1, 5))
    def a_record_will_be_too_large(self, ahead: int) -> None:
        """Whenever it is sent."""
        self.too_large.add(self.count + ahead)

    @rule(nth=st.integers(0, 5))
    def broker_will_fail_a_record(self, nth: int) -> None:
        self.fails_in = nth

    def _refuse(self, record: Record) -> KafkaError | None:
        if record.name != TRADES:
            return None
        self.fails_in -= 1
        if self.fails_in == -1:
            return KafkaError(KafkaError.INVALID_PRODUCER_EPOCH)
        too_large = int(decode(record.bytes_).price) in self.too_large
        return KafkaError(KafkaError.MSG_SIZE_TOO_LARGE) if too_large else None

    @rule(arrive=st.integers(0, 4))
    def crash(self, arrive: int) -> None:
        """Killed: the operating system still has what was appended."""
        if self.producer is not None and self.passage is not None:
            self.producer.arrive_unreported(arrive)
        self._die()
        self._open()
        self.kept |= set(self.appended)  # opening brings it to the disk

    @rule(seed=st.integers(0, 2**32), arrive=st.integers(0, 4))
    def power_cut(self, seed: int, arrive: int) -> None:
        if self.producer is not None and self.passage is not None:
            self.producer.arrive_unreported(arrive)
        self._die()
        self.disk.cut(random.Random(seed))
        there = {frame.received_at: frame.payload for frame in read_frames(self.directory)}
        lost = set(self.appended) - set(there) - self.deleted
        assert not lost & self.kept, "a synced frame is gone"
        assert all(self.appended.get(received_at) == payload for received_at, payload in there.items())
        self._judge()
        assert not any(received_at in lost for received_at, _ in self.arrived), "the broker has what the journal lost"
        for received_at in lost:
            del self.appended[received_at]
        self._open()
        self.kept = set(self.appended)

    @rule()
    def restart(self) -> None:
        self._end_passage()
        self.journal.close()
        self._open()
        self.kept |= set(self.appended)

    def _die(self) -> None:
        if self.passage is not None:
            self.passage._over = True
            self.passage._tail.close()
        for descriptor in (*self.journal._sealed, self.journal._descriptor):
            if descriptor >= 0:
                os.close(descriptor)

    # what must hold

    @invariant()
    def _judge(self) -> None:
        """Every record comes from a frame in the journal, once and for all with the same bytes, in order per symbol."""
        for record in self.broker.log[self.judged :]:
            if record.name == DEAD:
                received_at, index = int(record.headers["received_at"]), int(record.headers["index"])
                assert received_at in self.appended, "nothing is produced that is not in the journal"
                self.arrived.add((received_at, index))
                continue
            trade = decode(record.bytes_)
            received_at, index = trade.received_at, int(trade.trade_id[17:])
            assert trade.trade_id == trade_id(received_at, index)
            assert received_at in self.appended, "nothing is produced that is not in the journal"
            element = json.loads(self.appended[received_at])["data"][index]
            assert (trade.symbol, int(trade.price)) == (element["s"], element["p"])
            # what was deleted can no longer be counted within its millisecond
            same = encode(replace(trade, seq=0)) if self.deleted else record.bytes_
            before = self.values.setdefault(trade.trade_id, record.bytes_)
            assert before == record.bytes_ or encode(replace(decode(before), seq=0)) == same
            if (received_at, index) not in self.arrived:
                assert trade.trade_id > self.newest.get(trade.symbol, ""), f"{trade.symbol} is out of order"
                self.newest[trade.symbol] = trade.trade_id
            self.arrived.add((received_at, index))
        self.judged = len(self.broker.log)

    @invariant()
    def what_is_confirmed_has_arrived(self) -> None:
        for received_at, payload in self.appended.items():
            if received_at <= self.journal.confirmed:
                for index in range(len(json.loads(payload)["data"])):
                    assert (received_at, index) in self.arrived

    def teardown(self) -> None:
        if not hasattr(self, "journal"):
            return
        try:
            self.broker.away = False
            self.fails_in = -1
            self.restart()
            for _ in range(3 + len(self.appended)):
                self.forward()
            self._judge()
            for received_at, payload in self.appended.items():
                for index in range(len(json.loads(payload)["data"])):
                    assert (received_at, index) in self.arrived, "what was kept has not arrived"
            assert self.journal.unconfirmed_frames == 0 or not self.appended
        finally:
            self._end_passage()
            self.journal.close()
            self.patch.undo()
            self.folder.cleanup()


Delivery.TestCase.settings = settings(
    max_examples=100, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestDelivery = Delivery.TestCase
