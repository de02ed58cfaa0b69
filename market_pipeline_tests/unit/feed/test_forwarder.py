"""From the journal to Kafka, with a producer of our own that fails as Kafka does."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from market_pipeline.feed.forwarder import Forwarder
from market_pipeline.feed.journal import Frame, Journal, read_frames
from market_pipeline.feed.journal.position import load_position
from market_pipeline.feed.outbox import ORIGINAL_BYTES_KEPT, Outbox, producer_config
from market_pipeline.model import Rejection, decode
from market_pipeline.settings import Settings
from market_pipeline_tests.unit.feed.conftest import element, trade_message
from market_pipeline_tests.waiting import wait_for

TRADES, DEAD = "trades_raw", "trades_dlq"


@dataclass
class Record:
    """A record under way, and what a delivery report shows of it."""

    name: str
    bytes_: bytes
    key: bytes | None
    headers: dict[str, str]
    report: Callable[[KafkaError | None, Any], None]

    def topic(self) -> str:
        return self.name

    def value(self) -> bytes:
        return self.bytes_


@dataclass
class Broker:
    """What the producers of a test share: the log of what was delivered, and what goes wrong."""

    log: list[Record] = field(default_factory=list)
    away: bool = False
    queue_limit: int = 100_000
    refuse: Callable[[Record], KafkaError | None] = lambda record: None
    refuse_at_once: Callable[[bytes], int | None] = lambda value: None
    clients: int = 0

    def outbox(self, on_error: Callable[[KafkaError], None]) -> Outbox:
        self.clients += 1
        return Outbox(FakeProducer(self), TRADES, DEAD)

    def values(self, topic: str) -> list[bytes]:
        return [record.bytes_ for record in self.log if record.name == topic]


class FakeProducer:
    """Behaves like confluent_kafka's, as far as an outbox goes."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._queue: list[Record] = []

    def produce(
        self,
        topic: str,
        value: bytes,
        key: bytes | None = None,
        on_delivery: Any = None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        if len(self._queue) >= self._broker.queue_limit:
            raise BufferError("queue full")
        code = self._broker.refuse_at_once(value)
        if code is not None and topic == TRADES:
            raise KafkaException(KafkaError(code))
        told = {name: text.decode() for name, text in headers or []}
        self._queue.append(Record(topic, value, key, told, on_delivery))

    def poll(self, wait_s: float) -> int:
        if self._broker.away:
            return 0
        queue, self._queue = self._queue, []
        for record in queue:
            error = self._broker.refuse(record)
            if error is None:
                self._broker.log.append(record)
            record.report(error, record)
        return len(queue)

    def purge(self) -> None:
        self._queue = []


@dataclass
class Rig:
    """A forwarder in a thread on a journal."""

    journal: Journal
    broker: Broker
    failure: BaseException | None = None

    def start(self) -> "Rig":
        self.forwarder = Forwarder(self.journal, "simulator", self.broker.outbox)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def finish(self, within_s: float = 10) -> None:
        self.forwarder.finish(within_s)
        self.thread.join(within_s + 5)
        assert not self.thread.is_alive()
        assert self.failure is None

    def _run(self) -> None:
        try:
            self.forwarder.run()
        except BaseException as error:
            self.failure = error


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("market_pipeline.feed.forwarder._START_AGAIN_S", 0.01)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(Journal(tmp_path, "simulator", segment_bytes=2000), Broker())
    yield made
    if hasattr(made, "forwarder"):
        made.broker.away = False
        made.finish()


def append(journal: Journal, count: int, start: int = 1) -> None:
    for price in range(start, start + count):
        journal.append(trade_message(element(price=price), element("BINANCE:BTCUSDT", price=price)).encode())


def prices(broker: Broker) -> list[int]:
    return [int(trade.price) for trade in map(decode, broker.values(TRADES)) if trade.symbol == "AAPL"]


def test_every_trade_is_a_record_keyed_by_symbol_and_the_frames_are_confirmed(rig: Rig) -> None:
    append(rig.journal, 20)
    rig.start()
    append(rig.journal, 20, start=21)
    rig.finish()
    assert prices(rig.broker) == list(range(1, 41))
    assert {(r.key, decode(r.bytes_).symbol.encode()) for r in rig.broker.log} == {
        (b"AAPL", b"AAPL"),
        (b"BINANCE:BTCUSDT", b"BINANCE:BTCUSDT"),
    }
    assert rig.journal.confirmed == rig.journal.last
    assert rig.journal.unconfirmed_frames == 0
    assert (rig.forwarder.state.produced, rig.forwarder.state.confirmed) == (80, 80)


def test_trades_from_the_future_of_a_slow_clock_are_dead_letters_and_told_once(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    ahead = trade_message(element(ts=time.time_ns() // 1_000_000 + 90_000))
    for _ in range(30):
        rig.journal.append(ahead.encode())
    rig.start()
    rig.finish()
    assert len(rig.broker.values(DEAD)) == 30
    assert caplog.text.count("ahead of this machine's clock") == 1


def test_pings_and_unknown_messages_are_confirmed_without_a_record(rig: Rig) -> None:
    for payload in (b'{"type":"ping"}', b'{"type":"news"}', b'{"type":"trade","data":null}'):
        rig.journal.append(payload)
    rig.start()
    wait_for(lambda: rig.journal.unconfirmed_frames == 0, "the confirmation")
    assert rig.broker.log == []


def test_dead_letters_bear_their_bytes_reason_and_origin(rig: Rig) -> None:
    frame = rig.journal.append(b"not json \xff")
    rig.journal.append(b'{"type":"trade","data":[{"s":"AAPL","p":NaN,"t":1763000000000,"v":1}]}')
    rig.start()
    wait_for(lambda: rig.journal.unconfirmed_frames == 0, "the confirmation")
    whole, part = rig.broker.log
    assert (whole.name, whole.bytes_) == (DEAD, b"not json \xff")
    assert whole.headers | {"detail": ""} == {
        "reason": "malformed_json",
        "detail": "",
        "origin": "feed",
        "received_at": str(frame.received_at),
        "index": "-1",
    }
    assert part.bytes_ == b'{"s":"AAPL","p":NaN,"t":1763000000000,"v":1}'
    assert (part.headers["reason"], part.headers["index"]) == ("not_finite", "0")
    assert rig.forwarder.normaliser.rejected == {Rejection.MALFORMED_JSON: 1, Rejection.NOT_FINITE: 1}


def test_while_kafka_is_away_the_journal_is_the_spool_and_nothing_is_confirmed(rig: Rig) -> None:
    rig.broker.away = True
    rig.broker.queue_limit = 10
    rig.start()
    append(rig.journal, 200)
    wait_for(lambda: rig.forwarder.state.produced == 10, "a full queue")
    assert rig.journal.confirmed == 0
    assert rig.journal.unconfirmed_frames == 200
    rig.broker.away = False
    rig.finish()
    assert prices(rig.broker) == list(range(1, 201))
    assert rig.broker.clients == 1


def test_a_start_reads_no_more_of_a_spool_than_the_minute_before_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    append(rig.journal, 40)
    first, *spool = read_frames(rig.journal.directory)
    rig.journal.confirm(first.received_at, 1, spool[0].received_at)
    looked_at: list[Frame] = []

    def looking(where: Path, since: int) -> Iterator[Frame]:
        for frame in read_frames(where, since):
            looked_at.append(frame)
            yield frame

    monkeypatch.setattr("market_pipeline.feed.forwarder.read_frames", looking)
    rig.start()
    rig.finish()
    assert looked_at == [first, spool[0]]
    assert len(rig.broker.values(TRADES)) == 2 * len(spool)


def test_memory_is_bounded_while_kafka_is_away(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("market_pipeline.feed.forwarder.MAX_UNDER_WAY", 100)
    rig.broker.away = True
    append(rig.journal, 300)
    rig.start()
    wait_for(lambda: rig.forwarder.state.produced >= 100, "the limit")
    assert rig.forwarder.state.produced <= 102
    rig.broker.away = False
    rig.finish()
    assert prices(rig.broker) == list(range(1, 301))


def test_a_refused_record_means_start_again_from_the_confirmed_position_with_the_same_ids(rig: Rig) -> None:
    refusals = iter([True] * 3)

    def refuse(record: Record) -> KafkaError | None:
        if decode(record.bytes_).price == 15 and next(refusals, False):
            return KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
        return None

    rig.broker.refuse = refuse
    append(rig.journal, 30)
    rig.start()
    wait_for(lambda: rig.journal.unconfirmed_frames == 0, "the confirmation")
    trades = [decode(value) for value in rig.broker.values(TRADES)]
    by_id: dict[tuple[str, str], set[Any]] = {}
    for trade in trades:
        by_id.setdefault((trade.trade_id, trade.symbol), set()).add(trade)
    assert len(by_id) == 60
    assert all(len(same) == 1 for same in by_id.values())  # sent again, and equal in every field, seq included
    assert rig.broker.clients > 1


@pytest.mark.parametrize("at_once", [True, False])
def test_a_record_too_large_for_kafka_is_a_dead_letter_and_costs_no_other(rig: Rig, at_once: bool) -> None:
    too_large = KafkaError.MSG_SIZE_TOO_LARGE
    if at_once:
        rig.broker.refuse_at_once = lambda value: too_large if b'"price":7,' in value else None
    else:
        rig.broker.refuse = lambda record: (
            KafkaError(too_large) if record.name == TRADES and b'"price":7,' in record.bytes_ else None
        )
    append(rig.journal, 10)
    rig.start()
    wait_for(lambda: rig.journal.unconfirmed_frames == 0, "the confirmation")
    assert prices(rig.broker) == [1, 2, 3, 4, 5, 6, 8, 9, 10]
    letters = [record for record in rig.broker.log if record.name == DEAD]
    assert [letter.headers["reason"] for letter in letters] == ["too_large"] * 2
    assert decode(letters[0].bytes_).price == 7
    assert [letter.headers["index"] for letter in letters] == ["0", "1"]
    assert {letter.headers["received_at"] for letter in letters} == {str(decode(letters[0].bytes_).received_at)}
    assert rig.forwarder.state.dead_letters == 2


def test_a_dead_letter_larger_than_a_record_is_cut_and_says_so(rig: Rig) -> None:
    rig.journal.append(b"x" * 2_000_000)
    rig.start()
    wait_for(lambda: rig.journal.unconfirmed_frames == 0, "the confirmation")
    (letter,) = rig.broker.log
    assert (len(letter.bytes_), letter.headers["bytes"]) == (ORIGINAL_BYTES_KEPT, "2000000")


def test_after_a_crash_the_same_frames_make_the_same_records(rig: Rig, tmp_path: Path) -> None:
    append(rig.journal, 25)
    rig.journal.append(trade_message(*[element(ts=1_763_000_000_000)] * 3).encode())
    rig.start()
    wait_for(lambda: rig.journal.unconfirmed_frames == 0, "the confirmation")
    first = rig.broker.values(TRADES)
    assert load_position(tmp_path) == 0  # as after a kill: confirmed in Kafka, not yet in the file
    again = Rig(Journal(tmp_path, "replay"), Broker()).start()
    again.finish()
    assert again.broker.values(TRADES) == first


def test_a_stop_while_kafka_is_away_ends_in_time_and_loses_nothing(rig: Rig, tmp_path: Path) -> None:
    rig.broker.away = True
    append(rig.journal, 5)
    rig.start()
    rig.finish(within_s=0.3)
    rig.journal.close()
    again = Rig(Journal(tmp_path, "simulator"), Broker()).start()
    again.finish()
    assert prices(again.broker) == [1, 2, 3, 4, 5]


def test_what_kafka_says_is_logged_once_and_forgotten_when_it_takes_records(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.start()
    for _ in range(50):
        rig.forwarder.note_error(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    assert caplog.text.count("waits in the journal") == 1
    assert rig.forwarder.state.kafka_error == "no broker answers"
    append(rig.journal, 1)
    wait_for(lambda: rig.forwarder.state.kafka_error is None, "the all-clear")


def test_the_producer_is_idempotent_in_order_and_never_gives_up() -> None:
    config = producer_config(Settings.load(feed="simulator"), lambda error: None)
    assert config["enable.idempotence"] is True
    assert config["acks"] == "all"
    assert config["partitioner"] == "murmur2_random"
    assert config["message.timeout.ms"] == 0
