"""What the rules are told by a real Kafka and a real Cassandra."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cassandra.cluster import Session
from confluent_kafka import Producer

from market_pipeline.alerts.canary import Canaries
from market_pipeline.alerts.lookout import look
from market_pipeline.alerts.rulebook import judge
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.broker.client import client_config
from market_pipeline.broker.topics import ensure_topics
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.store.delays import newest_delays

pytestmark = pytest.mark.real_servers
SYMBOL = "BINANCE:ALERTS"


@pytest.fixture(scope="module")
def settings(servers: Settings) -> Settings:
    """The servers of the session, with a topic and a symbol of our own."""
    own = servers.model_copy(
        update={"topic": "alerts_trades", "dead_letter_topic": "alerts_letters", "symbols": (SYMBOL,)}
    )
    ensure_topics(own)
    return own


def signals(settings: Settings) -> dict[str, Signal]:
    return {signal.rule: signal for signal in judge(look(settings))}


def write(session: Session, settings: Settings, ts: datetime, received_at: datetime, ingested_at: datetime) -> None:
    insert = session.prepare(
        f"INSERT INTO {settings.keyspace}.trades_silver (symbol, bucket, ts, trade_id, received_at, ingested_at) "
        "VALUES (?, ?, ?, ?, ?, ?)"
    )
    session.execute(insert, (SYMBOL, hour_of(ts), ts, "alerts", received_at, ingested_at))


def hour_of(ts: datetime) -> datetime:
    return ts.replace(minute=0, second=0, microsecond=0)


def test_servers_that_are_well(settings: Settings) -> None:
    found = signals(settings)
    assert found["kafka-down"].verdict is Verdict.FINE
    disk = found["cassandra-disk"]
    assert disk.value is not None
    assert 0 < disk.value < 100
    assert any(name.startswith("system") for name in disk.evidence["tables_mb"])


def test_zero_trades_goes_by_kafkas_own_word(settings: Settings) -> None:
    settings.paths.heartbeat("producer").unlink(missing_ok=True)  # another test's, in this data dir
    silent = signals(settings)["zero-trades"]
    assert silent.verdict is Verdict.FAULT  # crypto never closes
    assert "the producer does not run" in silent.text
    producer = Producer(client_config(settings))
    producer.produce(settings.topic, b"old", timestamp=int((time.time() - 660) * 1000))
    assert producer.flush(20) == 0
    assert signals(settings)["zero-trades"].verdict is Verdict.FAULT
    producer.produce(settings.topic, b"new")
    assert producer.flush(20) == 0
    flowing = signals(settings)["zero-trades"]
    assert (flowing.verdict, flowing.value) == (Verdict.FINE, 1)


def test_canaries_are_no_trades(settings: Settings, refusing_port: int, tmp_path: Path) -> None:
    canaries = Canaries(tmp_path / "incidents.db")
    before = look(settings).arrivals
    assert (first := look(settings, canaries=canaries)).arrivals == before
    assert (second := look(settings, canaries=canaries)).arrivals == before
    assert (len(first.canaries), len(second.canaries)) == (1, 2)
    gone = settings.model_copy(update={"kafka_bootstrap_servers": f"127.0.0.1:{refusing_port}"})
    look(gone, canaries=canaries)
    assert (third := look(settings, canaries=canaries)).arrivals == before  # what never came is not taken off
    assert len(third.canaries) == 3
    assert len(canaries.in_flight(time.time())) == 4


def test_latency_is_that_of_the_newest_rows_of_the_last_minute(settings: Settings) -> None:
    """In the first minute of an hour, too: one of the hour before is not the newest then."""
    now = datetime.now(UTC)
    with connect(settings) as session:
        write(session, settings, hour_of(now) - timedelta(seconds=1), now - timedelta(seconds=15), now)
        slow = signals(settings)["high-latency"]
        assert (slow.verdict, slow.value) == (Verdict.FAULT, 15.0)
        write(session, settings, now, now, now + timedelta(milliseconds=40))
        assert signals(settings)["high-latency"].verdict is Verdict.FINE
        assert newest_delays(session, settings, [SYMBOL], now + timedelta(minutes=1)) == []


def test_a_kafka_that_is_gone_is_down_and_of_the_rest_nothing_is_made_up(
    settings: Settings, refusing_port: int
) -> None:
    gone = settings.model_copy(update={"kafka_bootstrap_servers": f"127.0.0.1:{refusing_port}"})
    found = signals(gone)
    assert found["kafka-down"].verdict is Verdict.FAULT
    assert found["zero-trades"].verdict is Verdict.UNKNOWN
    assert found["cassandra-disk"].verdict is Verdict.FINE


def test_a_cassandra_that_is_gone_makes_no_latency_up(settings: Settings, refusing_port: int) -> None:
    gone = settings.model_copy(update={"cassandra_contact_points": ("127.0.0.1",), "cassandra_port": refusing_port})
    found = signals(gone)
    assert found["high-latency"].verdict is Verdict.UNKNOWN
    assert found["kafka-down"].verdict is Verdict.FINE
