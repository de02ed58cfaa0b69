"""How a producer is put together."""

import json
from pathlib import Path

import pytest

from market_pipeline.feed.finnhub import Liveness
from market_pipeline.feed.producer import Producer
from market_pipeline.feed.secrecy import Secrecy
from market_pipeline.settings import Settings


@pytest.mark.parametrize(("feed", "silence"), [("finnhub", Liveness.RESUBSCRIBE), ("replay", Liveness.UNTRADED)])
def test_a_recording_that_was_played_is_silent_for_good_and_no_mute_feed(
    tmp_path: Path, feed: str, silence: Liveness
) -> None:
    settings = Settings.load(data_dir=tmp_path, feed=feed)
    protocol = Producer(settings, ("BINANCE:BTCUSDT",), None, Secrecy(None)).protocol
    protocol.connected(0.0)
    hours_later = 10_000.0
    protocol.message(b'{"type":"ping"}', hours_later)
    assert protocol.liveness(hours_later) is silence


def test_the_heartbeat_lists_what_the_vendor_rejected_and_why(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path, feed="finnhub")
    producer = Producer(settings, ("AAPL", "IC MARKETS:7", "foo"), "key", Secrecy("key"))
    producer.protocol.connected(0.0)
    assert (producer.detail()["rejected_symbols"], producer.detail()["plan_limit"]) == ({}, None)
    producer.protocol.message(b'{"msg":"Invalid symbol IC MARKETS:7","type":"error"}', 1.0)
    producer.protocol.message(b'{"msg":"Invalid symbol FOO","type":"error"}', 1.0)
    producer.protocol.message(b'{"msg":"Subscribing to too many symbols","type":"error"}', 1.0)
    told = json.loads(json.dumps(producer.detail()))  # as the heartbeat's file has it
    assert told["rejected_symbols"] == {"IC MARKETS:7": "Invalid symbol IC MARKETS:7", "foo": "Invalid symbol FOO"}
    assert told["plan_limit"] == "Subscribing to too many symbols"
    producer.journal.close()
