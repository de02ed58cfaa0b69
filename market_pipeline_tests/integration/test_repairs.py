"""The remedies that do more than restart, on a real Kafka and a real Cassandra."""

import time

import pytest
from confluent_kafka import Producer

from market_pipeline.alerts.lookout import dead_letters
from market_pipeline.broker.client import client_config
from market_pipeline.broker.records import read_topic
from market_pipeline.feed.journal.frame import Frame
from market_pipeline.feed.normalise import Normaliser
from market_pipeline.feed.outbox import Outbox
from market_pipeline.model import Trade, decode
from market_pipeline.remedies.compaction import compact, of_keyspace, run_nodetool
from market_pipeline.remedies.dead_letter_replay import replay
from market_pipeline.remedies.stream_reset import plan
from market_pipeline.settings import Settings
from market_pipeline.supervision.disk import disk

pytestmark = pytest.mark.real_servers


def a_slow_clocks_letters(settings: Settings, count: int) -> list[Trade]:
    """What a clock that is a minute slow makes of trades: letters, and the trades that they would have been."""
    now_us = time.time_ns() // 1000
    would_be: list[Trade] = []
    outbox = Outbox.to_kafka(settings, pytest.fail)
    for number in range(count):
        element = f'{{"s":"AAPL","p":{100 + number}.5,"t":{now_us // 1000},"v":1}}'.encode()
        payload = b'{"type":"trade","data":[' + element + b"]}"
        right = Normaliser("simulator").items(Frame(now_us + number, payload, "simulator"))
        (letter,) = Normaliser("simulator").items(Frame(now_us + number - 600_000_000, payload, "simulator"))
        would_be += [item for item in right if isinstance(item, Trade)]
        assert outbox.put(letter, lambda *_: None)
    outbox.flush(20)
    assert len(would_be) == count
    return would_be


def test_letters_are_counted_with_their_reasons_and_those_that_are_trades_by_now_are_sent_once_asked(
    settings: Settings,
) -> None:
    a_slow_clocks_letters(settings, 3)
    producer = Producer(client_config(settings))
    good = b'{"s":"AAPL","p":1.5,"t":1764000000000,"v":1}'
    headers = {"origin": "feed", "reason": "in_the_future", "received_at": "1764000000000000", "index": "4"}
    producer.produce(settings.dead_letter_topic, good, headers=list(headers.items()))
    assert producer.flush(20) == 0

    told = dead_letters(settings, time.time())
    assert told is not None
    assert (told.count, told.reasons) == (4, {"in_the_future": 4})

    dry = replay(settings, really=False)
    assert (dry.seen, dry.trades, dry.sent, dict(dry.still)) == (4, 1, 0, {"in_the_future": 3})
    assert list(read_topic(settings, settings.topic)) == []
    for _ in range(2):  # twice sent is the same row
        assert replay(settings, really=True).sent == 1
    sent = [decode(record.value) for record in read_topic(settings, settings.topic)]
    assert {trade.trade_id for trade in sent} == {"1764000000000000-00004"}
    assert len(sent) == 2


def test_letters_before_a_time_are_left_out(settings: Settings) -> None:
    a_slow_clocks_letters(settings, 2)
    assert replay(settings, really=False, since_ms=int(time.time() * 1000) + 60_000).seen == 0


def test_a_reset_of_a_stream_that_never_ran_would_read_nothing_again(settings: Settings) -> None:
    assert plan(settings).records == 0


def test_a_keyspace_is_compacted_and_cleaned_up(servers: Settings) -> None:
    """On a whole Java 17; what a trimmed one is told is tested where nodetool is."""
    run_nodetool(servers, ("flush", servers.keyspace))
    done = compact(servers)
    assert done.before
    assert done.after.keys() == done.before.keys()
    found = disk(servers.paths.cassandra)
    assert found is not None
    assert of_keyspace(found, servers.keyspace).keys() == done.after.keys()
