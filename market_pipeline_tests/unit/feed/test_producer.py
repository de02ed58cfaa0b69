"""How a producer is put together."""

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
