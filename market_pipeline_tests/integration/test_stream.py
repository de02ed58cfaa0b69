"""The program ``stream`` against real servers: what goes into Kafka comes out of Cassandra, whatever happens."""

import calendar
import contextlib
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pytest
from cassandra.cluster import Session
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from market_pipeline import model
from market_pipeline.alerts.canary import Canaries, Flight, recover, release
from market_pipeline.broker.client import client_config
from market_pipeline.broker.offsets import begin_offsets, end_offsets, group_offsets
from market_pipeline.broker.records import read_topic
from market_pipeline.broker.topics import delete_topic, ensure_topics, list_topics
from market_pipeline.model import CANARY, Trade
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.store.completeness import mark_incomplete
from market_pipeline.stream.position import next_offsets
from market_pipeline.stream.query import checkpoint
from market_pipeline.supervision.heartbeat import read_heartbeat
from market_pipeline_tests.conftest import die_with_parent
from market_pipeline_tests.waiting import wait_for

pytestmark = [pytest.mark.real_servers, pytest.mark.timeout(600)]

STARTS_WITHIN_S = 240
STOPS_WITHIN_S = 30
"""The supervisor waits as long before it kills it."""
VISIBLE_WITHIN_S = 60
MINUTE = 60_000


class Market:
    """Trades of one test: makes them, puts them on Kafka, and knows what should become of them."""

    def __init__(self, settings: Settings, symbol: str) -> None:
        self._settings = settings
        self._producer = Producer(client_config(settings) | {"partitioner": "murmur2_random", "linger.ms": 1})
        self.symbol = symbol
        self._received = time.time_ns() // 1000
        self.sent: dict[str, Trade] = {}

    def trade(self, ts: int, price: str, volume: str = "1", seq: int = 0) -> Trade:
        self._received = max(self._received + 1, time.time_ns() // 1000)
        return Trade(
            self.symbol, Decimal(price), Decimal(volume), ts, model.trade_id(self._received, 0), seq, "test",
            self._received, ("1",),
        )  # fmt: skip

    def send(self, *trades: Trade) -> None:
        for trade in trades:
            self.sent[trade.trade_id] = trade
            self._producer.produce(self._settings.topic, key=trade.symbol, value=model.encode(trade))
            self._producer.poll(0)
        assert self._producer.flush(30) == 0

    def send_bytes(self, value: bytes) -> None:
        self._producer.produce(self._settings.topic, key=self.symbol, value=value)
        assert self._producer.flush(30) == 0

    def outgrow(self, ends: dict[int, int]) -> None:
        """One trade, sent again and again until every partition is longer than ``ends`` says."""
        trade = self.trade(time.time_ns() // 1_000_000, "5")
        self.sent[trade.trade_id] = trade
        for partition, end in ends.items():
            for _ in range(end + 1):
                self._producer.produce(self._settings.topic, model.encode(trade), trade.symbol, partition)
                self._producer.poll(0)
        assert self._producer.flush(60) == 0

    def burst(self, count: int, rng: random.Random) -> list[Trade]:
        """Trades of the last three minutes, shuffled in time, some in one millisecond, some without volume."""
        start = time.time_ns() // 1_000_000 - 3 * MINUTE
        times = sorted(start + rng.randrange(3 * MINUTE) // 7 * 7 for _ in range(count))
        rng.shuffle(times)
        seen: dict[int, int] = {}
        made = []
        for ts in times:
            seq = seen[ts] = seen.get(ts, -1) + 1
            volume = "0" if rng.random() < 0.05 else f"{rng.randrange(1, 10**6) / 10**4:.4f}"
            made.append(self.trade(ts, f"{rng.randrange(10**5, 4 * 10**6) / 100:.2f}", volume, seq))
        return made


class Stream:
    """The program as a process."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.settings = settings
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.settings.paths.heartbeat("stream").unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "market_pipeline.stream.application"],
                env={**os.environ, **self.settings.environment()}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent,
            )  # fmt: skip

    def running(self) -> None:
        self.start()
        wait_for(lambda: self.detail().get("phase") == "running" or self._ended(), "the stream", STARTS_WITHIN_S)

    def running_with(self, settings: Settings) -> None:
        """Start it anew, unless it runs with these settings already."""
        if self.settings != settings or self.process is None or self.process.poll() is not None:
            assert self.end() == 0
            self.settings = settings
            self.running()

    def _ended(self) -> bool:
        assert self.process is not None
        status = self.process.poll()
        assert status is None, f"the stream ended with {status}\n{self.text()[-3000:]}"
        return False

    def detail(self) -> dict[str, Any]:
        beat = read_heartbeat(self.settings.paths.heartbeat("stream"))
        return dict(beat.detail) if beat else {}

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def jvm(self) -> psutil.Process:
        assert self.process is not None
        (jvm,) = [child for child in psutil.Process(self.process.pid).children() if "java" in child.name()]
        return jvm

    def kill(self) -> None:
        assert self.process is not None
        jvm = self.jvm()
        self.process.kill()
        self.process.wait()
        wait_for(lambda: not jvm.is_running() or jvm.status() == psutil.STATUS_ZOMBIE, "the JVM to die", 10)

    def end(self) -> int:
        """SIGTERM; returns the exit status."""
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.terminate()
        return self.process.wait(STOPS_WITHIN_S)


@pytest.fixture(scope="module")
def settings(
    servers: Settings, tmp_path_factory: pytest.TempPathFactory, free_port_base: Callable[[], int]
) -> Settings:
    """The servers of the session, topics, checkpoints and ports of this module."""
    own = Settings.load(
        data_dir=tmp_path_factory.mktemp("stream"),
        port_base=free_port_base(),
        kafka_bootstrap_servers=servers.bootstrap_servers,
        cassandra_contact_points=servers.contact_points,
        cassandra_port=servers.cql_port,
        topic="stream_trades",
        dead_letter_topic="stream_letters",
        consumer_group="stream-group",
        commit_interval_s=5,
        feed="simulator",
    )
    ensure_topics(own)
    return own


@pytest.fixture(scope="module")
def stream(settings: Settings) -> Iterator[Stream]:
    program = Stream(settings, settings.data_dir / "stream.log")
    program.running()
    yield program
    with contextlib.suppress(subprocess.TimeoutExpired):
        program.end()
    if program.process is not None and program.process.poll() is None:
        program.process.kill()


@pytest.fixture(scope="module")
def cassandra(settings: Settings) -> Iterator[Session]:
    with connect(settings, timeout_s=30) as session:
        yield session


def silver(cassandra: Session, market: Market) -> dict[str, Any]:
    hours = {trade.ts // 3_600_000 * 3_600_000 for trade in market.sent.values()}
    rows: dict[str, Any] = {}
    for hour in hours:
        found = cassandra.execute(
            "SELECT * FROM market_data.trades_silver WHERE symbol = %s AND bucket = %s", (market.symbol, hour)
        )
        for row in found:
            assert row.trade_id not in rows
            rows[row.trade_id] = row
    return rows


def all_there(cassandra: Session, market: Market) -> Callable[[], bool]:
    return lambda: silver(cassandra, market).keys() == market.sent.keys()


def bars(cassandra: Session, market: Market) -> dict[int, Any]:
    days = {time.strftime("%Y-%m-%d", time.gmtime(trade.ts / 1000)) for trade in market.sent.values()}
    found = [
        row
        for day in days
        for row in cassandra.execute(
            "SELECT * FROM market_data.ohlcv_1m WHERE symbol = %s AND day = %s", (market.symbol, day)
        )
    ]
    return {epoch_ms(row.ts): row for row in found}


def epoch_ms(moment: Any) -> int:
    return calendar.timegm(moment.timetuple()) * 1000 + moment.microsecond // 1000


def bars_are_right(cassandra: Session, market: Market) -> bool:
    stored = bars(cassandra, market)
    wanted: dict[int, list[Trade]] = {}
    for trade in market.sent.values():
        wanted.setdefault(trade.ts // MINUTE * MINUTE, []).append(trade)
    if stored.keys() != wanted.keys():
        return False
    for start, trades in wanted.items():
        ordered = sorted(trades, key=lambda each: (each.ts, each.trade_id))
        prices = [each.price for each in ordered]
        row = stored[start]
        volume = sum((each.volume for each in ordered), Decimal(0))
        count = sum(each.volume > 0 for each in ordered)
        right = (prices[0], max(prices), min(prices), prices[-1], volume, count)
        if (row.open, row.high, row.low, row.close, row.volume, row.trades) != right:
            return False
    return True


def moment_of(ts: int) -> datetime:
    return datetime.fromtimestamp(ts / 1000, UTC)


def newest(market: Market) -> Trade:
    return max(market.sent.values(), key=lambda each: (each.ts, each.seq))


def latest(cassandra: Session, market: Market) -> Any:
    return cassandra.execute("SELECT * FROM market_data.latest_prices WHERE symbol = %s", (market.symbol,)).one()


def latest_is_right(cassandra: Session, market: Market) -> bool:
    row, trade = latest(cassandra, market), newest(market)
    return row is not None and (row.trade_id, row.price, row.volume, epoch_ms(row.ts)) == (
        trade.trade_id, trade.price, trade.volume, trade.ts,
    )  # fmt: skip


def test_every_trade_is_queryable_once_with_its_own_digits(
    stream: Stream, settings: Settings, cassandra: Session
) -> None:
    market = Market(settings, "DIGITS")
    trades = market.burst(400, random.Random(1))
    exact = [market.trade(trades[0].ts + i, price, volume) for i, (price, volume) in enumerate(
        [("39432.48", "0.025"), ("0.000000000000000001", "100"), ("9999999999.5", "0"), ("1.10", "99999999999999")]
    )]  # fmt: skip
    market.send(*trades, *exact)
    wait_for(all_there(cassandra, market), "400 trades")
    for trade_id, row in silver(cassandra, market).items():
        sent = market.sent[trade_id]
        assert (row.price, row.volume, epoch_ms(row.ts)) == (sent.price, sent.volume, sent.ts)
        assert row.conditions == ["1"]
        assert row.ingested_at >= row.received_at.replace(microsecond=row.received_at.microsecond // 1000 * 1000)
    digits = [str(silver(cassandra, market)[each.trade_id].price) for each in exact]
    assert digits == ["39432.48", "1E-18", "9999999999.5", "1.1"]


def test_bars_and_latest_follow_event_time(stream: Stream, settings: Settings, cassandra: Session) -> None:
    market = Market(settings, "BARS")
    trades = market.burst(300, random.Random(2))
    market.send(*trades, *trades[:50])
    wait_for(lambda: bars_are_right(cassandra, market), "right bars")
    wait_for(lambda: latest_is_right(cassandra, market), "the newest price")
    older = market.trade(newest(market).ts - 1, "1.5")
    market.send(older)
    wait_for(lambda: bars_are_right(cassandra, market), "a corrected bar")
    wait_for(all_there(cassandra, market), "the older trade")
    assert latest_is_right(cassandra, market)
    digits = bars(cassandra, market)[newest(market).ts // MINUTE * MINUTE]
    assert "E" not in str(digits.close)
    assert len(str(digits.close).partition(".")[2]) <= 2


def test_two_trades_of_one_millisecond_do_not_mix(stream: Stream, settings: Settings, cassandra: Session) -> None:
    market = Market(settings, "TIES")
    now = time.time_ns() // 1_000_000
    market.send(market.trade(now, "2", "1", 0), market.trade(now, "1", "5", 1))
    wait_for(lambda: latest_is_right(cassandra, market), "the second of the two")
    row = latest(cassandra, market)
    assert (row.price, row.volume) == (Decimal(1), Decimal(5))


def test_a_rewrite_keeps_when_a_trade_was_first_received_and_renews_when_it_was_written(
    stream: Stream, settings: Settings, cassandra: Session
) -> None:
    """The producer sends again, out of its journal, what was not confirmed when it was killed."""
    market = Market(settings, "REWRITE")
    trade = market.trade(time.time_ns() // 1_000_000, "5")
    market.send(trade)
    wait_for(all_there(cassandra, market), "the trade")
    first = silver(cassandra, market)[trade.trade_id]
    market.send(trade)

    def rewritten() -> Any:
        (row,) = silver(cassandra, market).values()
        return row if row.ingested_at > first.ingested_at else None

    row = wait_for(rewritten, "a later write")
    assert row.received_at == first.received_at
    assert epoch_ms(row.received_at) == trade.received_at // 1000


def test_a_rewrite_of_a_bar_leaves_its_verdict_alone(stream: Stream, settings: Settings, cassandra: Session) -> None:
    market = Market(settings, "VERDICT")
    ts = time.time_ns() // 1_000_000
    market.send(market.trade(ts, "5"))
    wait_for(lambda: bars_are_right(cassandra, market), "the bar")
    (bar,) = bars(cassandra, market).values()
    assert bar.complete is None
    start = moment_of(ts // MINUTE * MINUTE)
    mark_incomplete(cassandra, settings, market.symbol, start.date(), [(start, moment_of(ts))])
    market.send(market.trade(ts, "7"))
    wait_for(lambda: bars_are_right(cassandra, market), "the corrected bar")
    (bar,) = bars(cassandra, market).values()
    assert (bar.close, bar.complete) == (7, False)


def test_a_quiet_symbols_only_trade_is_visible_at_once(stream: Stream, settings: Settings, cassandra: Session) -> None:
    wait_for(lambda: stream.detail().get("lag") == 0, "a quiet stream")
    trades, before = 8, batch_with_records(stream)
    for number in range(trades):
        market = Market(settings, f"QUIET{number}")
        market.send(market.trade(time.time_ns() // 1_000_000, "5"))
        wait_for(lambda market=market: latest(cassandra, market) is not None, "the trade")
    # were each held back until the next commit, there would be a batch for each, all but the last of them told by now
    assert batch_with_records(stream) - before < trades / 2


def batch_with_records(stream: Stream) -> int:
    """The newest one that the stream has reported."""
    return int((stream.detail()["epoch"] or {"batch_id": -1})["batch_id"])


def test_a_canary_is_seen_and_is_gone(stream: Stream, settings: Settings, cassandra: Session, tmp_path: Path) -> None:
    canaries = Canaries(tmp_path / "incidents.db")
    release(settings, canaries)
    (sent,) = canaries.since(0)

    def home() -> Flight | None:
        recover(settings, canaries, 10)
        (flight,) = canaries.since(0)
        return flight if flight.delay_s is not None else None

    flight = wait_for(home, "the canary", 30)
    assert flight.sent_at == sent.sent_at
    assert flight.delay_s is not None
    assert flight.delay_s >= 0
    wait_for(lambda: stream.detail().get("lag") == 0, "lag 0", 30)
    for table in ("trades_silver", "latest_prices", "ohlcv_1m"):
        rows = cassandra.execute(f"SELECT symbol FROM market_data.{table} WHERE symbol = %s ALLOW FILTERING", (CANARY,))
        assert list(rows) == []


def test_lag_is_told_to_kafka_and_in_the_heartbeat(stream: Stream, settings: Settings, cassandra: Session) -> None:
    market = Market(settings, "LAG")
    market.send(market.trade(time.time_ns() // 1_000_000, "5"))
    ends = end_offsets(settings, settings.topic)
    wait_for(lambda: group_offsets(settings, settings.consumer_group, settings.topic) == ends, "lag 0 in Kafka", 30)

    def told() -> dict[str, Any] | None:
        detail = stream.detail()
        seen = (detail.get("newest_event_ts") or 0) >= newest(market).ts
        return detail if seen and detail["lag"] == 0 else None

    detail = wait_for(told, "lag 0 in the heartbeat", 30)
    assert 0 <= detail["newest_event_age_s"] <= time.time() - newest(market).received_at / 1e6
    assert detail["offsets"] == {str(partition): offset for partition, offset in ends.items()}


def test_what_is_no_trade_becomes_a_dead_letter(stream: Stream, settings: Settings, cassandra: Session) -> None:
    market = Market(settings, "LETTERS")
    good = market.trade(time.time_ns() // 1_000_000, "5")
    bad = {
        b"rubbish \xff": "malformed_json",
        model.encode(replace(good, price=Decimal("-5"))): "price_not_positive",
        model.encode(replace(good, ts=good.ts + 10 * MINUTE)): "in_the_future",
        model.encode(replace(good, ts=5)): "before_2000",
    }
    before = end_offsets(settings, settings.dead_letter_topic)
    for value in bad:
        market.send_bytes(value)
    market.send(good)
    wait_for(all_there(cassandra, market), "the good trade")
    letters: dict[bytes, dict[str, str]] = {}

    def arrived() -> bool:
        for record in read_topic(settings, settings.dead_letter_topic, start=before):
            letters[record.value] = {name: value.decode() for name, value in record.headers}
        return bad.keys() <= letters.keys()

    wait_for(arrived, "the dead letters")
    assert {value: letters[value]["reason"] for value in bad} == bad
    for value in bad:
        told = letters[value]
        assert (told["origin"], told["topic"]) == ("stream", settings.topic)
        assert told["detail"]
        place = {int(told["partition"]): int(told["offset"])}
        record = next(each for each in read_topic(settings, settings.topic, start=place) if each.partition in place)
        assert record.value == value
    assert len(silver(cassandra, market)) == 1


def test_records_at_the_end_that_are_no_trades_are_no_lag(stream: Stream, settings: Settings) -> None:
    Market(settings, "RUBBISH").send_bytes(b"rubbish")
    wait_for(lambda: stream.detail().get("lag") == 0, "lag 0", 30)


def test_a_kill_loses_nothing_and_doubles_nothing(stream: Stream, settings: Settings, cassandra: Session) -> None:
    market = Market(settings, "KILLED")
    trades = market.burst(900, random.Random(3))
    market.send(*trades[:300])
    wait_for(lambda: silver(cassandra, market), "the first of them")
    stream.kill()
    market.send(*trades[300:600])
    stream.running()
    market.send(*trades[600:])
    wait_for(all_there(cassandra, market), "all trades")
    wait_for(lambda: bars_are_right(cassandra, market), "right bars")
    wait_for(lambda: latest_is_right(cassandra, market), "the newest price")


def test_the_program_ends_when_its_jvm_dies(stream: Stream, settings: Settings) -> None:
    assert stream.process is not None
    stream.jvm().kill()
    assert stream.process.wait(10) == 1
    assert "Spark's JVM died" in stream.text()


def test_a_backlog_is_written_by_the_same_query(stream: Stream, settings: Settings, cassandra: Session) -> None:
    """What is sent while the program does not run is a backlog."""
    stream.end()
    market = Market(settings, "BACKLOG")
    market.send(*market.burst(3_000, random.Random(4)))
    stream.running()
    wait_for(all_there(cassandra, market), "the backlog")
    wait_for(lambda: latest_is_right(cassandra, market), "the newest price")
    wait_for(lambda: bars_are_right(cassandra, market), "right bars")
    writer = wait_for(lambda: stream.detail()["writer"] or None, "the figures of the writer", 30)
    assert writer["trades"] >= 3_000
    assert writer["batches"] < writer["trades"] / 4  # trades of a backlog share statements
    market.send(market.trade(time.time_ns() // 1_000_000, "5"))
    wait_for(all_there(cassandra, market), "a trade in real time")


def test_trades_of_any_age_make_and_correct_their_bars(stream: Stream, settings: Settings, cassandra: Session) -> None:
    """Late ones, and those of a day that is replayed."""
    market = Market(settings, "AGES")
    now = time.time_ns() // 1_000_000
    ages = (0, 20 * MINUTE, 3 * 60 * MINUTE, 40 * 24 * 60 * MINUTE, 400 * 24 * 60 * MINUTE)
    for price in ("5", "7"):
        market.send(*(market.trade(now - age, price) for age in ages))
        wait_for(lambda: bars_are_right(cassandra, market), "right bars")


def test_a_trade_of_a_minute_whose_trades_have_expired_leaves_its_bar_alone(
    stream: Stream, settings: Settings, cassandra: Session
) -> None:
    """Bars are kept for longer than trades, so what silver still has of an old minute may be less than its bar."""
    market = Market(settings, "EXPIRED")
    start = time.time_ns() // 1_000_000 // MINUTE * MINUTE - 200 * 24 * 60 * MINUTE
    cassandra.execute(
        "INSERT INTO market_data.ohlcv_1m (symbol, day, ts, open, high, low, close, volume, vwap, trades) "
        "VALUES (%s, %s, %s, 1, 9, 1, 3, 50, 2, 50) USING TIMESTAMP %s",
        (market.symbol, moment_of(start).date(), moment_of(start), start * 1000),
    )
    market.send(market.trade(start + 5, "7"))
    wait_for(all_there(cassandra, market), "the late trade")
    market.send(market.trade(time.time_ns() // 1_000_000, "5"))
    wait_for(lambda: len(bars(cassandra, market)) == 2, "the bar of a trade that came later")
    old = bars(cassandra, market)[start]
    assert (old.high, old.close, old.trades) == (9, 3, 50)


def test_sigterm_ends_it_well(stream: Stream) -> None:
    assert stream.process is not None
    assert stream.process.poll() is None
    assert stream.end() == 0


def test_micro_batches_give_the_same_rows_on_the_same_checkpoints(
    stream: Stream, settings: Settings, cassandra: Session
) -> None:
    stream.end()
    stream.settings = settings.model_copy(update={"stream_mode": "micro-batch"})
    stream.running()
    assert stream.detail()["mode"] == "micro-batch"
    market = Market(settings, "MICRO")
    market.send(*market.burst(300, random.Random(5)))
    wait_for(all_there(cassandra, market), "all trades")
    wait_for(lambda: bars_are_right(cassandra, market), "right bars")
    wait_for(lambda: latest_is_right(cassandra, market), "the newest price")
    wait_for(lambda: stream.detail().get("lag") == 0, "lag 0", 30)
    assert stream.end() == 0


def test_real_time_goes_on_from_the_checkpoints_of_micro_batches(
    stream: Stream, settings: Settings, cassandra: Session
) -> None:
    market = Market(settings, "BACK")
    market.send(*market.burst(50, random.Random(6)))
    stream.settings = settings
    stream.running()
    assert stream.detail()["mode"] == "real-time"
    market.send(*market.burst(50, random.Random(7)))
    wait_for(all_there(cassandra, market), "all trades")
    wait_for(lambda: bars_are_right(cassandra, market), "right bars")


def age_out(settings: Settings) -> dict[int, int]:
    """Make Kafka drop every record, as retention would; returns the end of each partition."""
    ends = end_offsets(settings, settings.topic)
    admin = AdminClient(client_config(settings))
    everything = [TopicPartition(settings.topic, partition, end) for partition, end in ends.items()]
    for future in admin.delete_records(everything).values():
        future.result()
    assert begin_offsets(settings, settings.topic) == ends
    return ends


def test_offsets_that_kafka_no_longer_has_are_named_and_can_be_accepted(
    stream: Stream, settings: Settings, cassandra: Session
) -> None:
    stream.end()
    market = Market(settings, "GONE")
    market.send(*(market.trade(time.time_ns() // 1_000_000, "5") for _ in range(20)))
    ends = age_out(settings)
    stream.settings = settings
    stream.start()
    assert stream.process is not None
    assert stream.process.wait(STARTS_WITHIN_S) == 1
    last = stream.text().splitlines()[-1]
    partition = next(p for p in ends if f"partition {p}" in last)
    assert settings.topic in last
    assert f"Kafka's oldest is {ends[partition]}" in last
    assert "MARKET_PIPELINE_ACCEPT_LOST_OFFSETS" in last
    stream.settings = settings.model_copy(update={"accept_lost_offsets": True})
    stream.running()
    after = Market(settings, "AFTER")
    after.send(after.trade(time.time_ns() // 1_000_000, "5"))
    wait_for(all_there(cassandra, after), "a trade after the gap")
    wait_for(lambda: bars_are_right(cassandra, after), "its bar")


def test_a_lost_checkpoint_spoils_no_bar(stream: Stream, settings: Settings, cassandra: Session) -> None:
    """Kafka has lost the beginning of a minute, the checkpoints are lost as well: the bar is of all that silver has.

    And the stream that began new ones was killed at once: half-written files don't keep the next one from starting.
    """
    stream.running_with(settings.model_copy(update={"accept_lost_offsets": True}))
    market = Market(settings, "PARTIAL")
    minute = (time.time_ns() // 1_000_000 - 2 * MINUTE) // MINUTE * MINUTE
    market.send(*(market.trade(minute + 10_000 + i, "9") for i in range(5)))
    wait_for(lambda: bars_are_right(cassandra, market), "the bar of the beginning")
    stream.end()
    age_out(settings)
    market.send(*(market.trade(minute + 30_000 + i, "5") for i in range(5)), market.trade(minute + 61_000, "7"))
    shutil.rmtree(settings.paths.checkpoints, ignore_errors=True)
    offsets = checkpoint(settings) / "offsets"
    offsets.mkdir(parents=True)
    (offsets / ".0.1262953d-91c1-421c-be83-4ec837faf54a.tmp").touch()
    stream.settings = settings
    stream.running()
    wait_for(all_there(cassandra, market), "silver")
    wait_for(lambda: bars_are_right(cassandra, market), "the bars of all trades")
    assert "starts at Kafka's oldest record" in stream.text()


def test_a_topic_that_was_made_anew_is_named_with_a_cure_that_works(
    stream: Stream, settings: Settings, cassandra: Session
) -> None:
    stream.running_with(settings)
    before = Market(settings, "BEFORE")
    before.send(*(before.trade(time.time_ns() // 1_000_000, "5") for _ in range(20)))
    wait_for(lambda: any(next_offsets(settings).values()), "a checkpoint")
    stream.end()
    ends = end_offsets(settings, settings.topic)
    delete_topic(settings, settings.topic)
    wait_for(lambda: settings.topic not in {each.name for each in list_topics(settings)}, "the topic to go")
    ensure_topics(settings)
    after = Market(settings, "ANEW")
    after.outgrow(ends)
    stream.start()
    assert stream.process is not None
    assert stream.process.wait(STARTS_WITHIN_S) == 1
    last = stream.text().splitlines()[-1]
    assert "Kafka's topic was made anew: the checkpoint is of the one with the id" in last
    assert f"delete the checkpoints below {settings.paths.checkpoints}" in last
    shutil.rmtree(settings.paths.checkpoints)
    after.send(*(after.trade(time.time_ns() // 1_000_000, "5") for _ in range(5)))
    stream.running()
    wait_for(all_there(cassandra, after), "the new topic's trades")
    wait_for(lambda: stream.detail().get("lag") == 0, "lag 0", 30)


def test_it_ends_when_asked_to_while_a_call_into_the_jvm_waits(stream: Stream, settings: Settings) -> None:
    stream.running_with(settings)
    jvm = stream.jvm()
    jvm.suspend()
    wait_for(lambda: stream.detail().get("phase") == "unresponsive", "the heartbeat to say so", 20)
    assert stream.end() == 0
    assert not jvm.is_running()
    beat = read_heartbeat(settings.paths.heartbeat("stream"))
    assert beat is not None
    assert beat.stopped
    assert stream.text().splitlines()[-1].endswith("stopped")


def test_a_second_copy_ends_at_once(stream: Stream, settings: Settings) -> None:
    stream.end()
    from market_pipeline.supervision.lock import EXIT_ALREADY_RUNNING, ProcessLock

    with ProcessLock(settings.paths.lock("stream")):
        second = Stream(settings, settings.data_dir / "second.log")
        second.start()
        assert second.process is not None
        assert second.process.wait(60) == EXIT_ALREADY_RUNNING
        assert "is already running" in second.text()
