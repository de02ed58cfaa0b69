"""What the vendor's quotes tell of a feed that brings no trade."""

from dataclasses import replace

import pytest

from market_pipeline.alerts.look import Look
from market_pipeline.alerts.lookout import quote_of
from market_pipeline.alerts.rules import zero_trades
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Verdict
from market_pipeline.feed.quote import Quote
from market_pipeline.local.snapshot import FeedStatus
from market_pipeline_tests.unit.alerts.looks import RUNNING, WELL

NOW = WELL.now
STOCKS = ("AAPL", "MSFT")
MUTE = FeedStatus("finnhub", connected=True, last_received_age_s=20.0)
PARTED = FeedStatus("finnhub", last_received_age_s=20.0, last_disconnect={"reason": "connected but mute"})


def silent(
    traded_ago_s: float | None,
    *,
    asked_ago_s: float = 30.0,
    asked: int = 1,
    symbols: tuple[str, ...] = STOCKS,
    feed: FeedStatus = MUTE,
) -> Look:
    quote = Quote("AAPL", NOW - traded_ago_s, NOW - asked_ago_s, asked) if traded_ago_s is not None else None
    snapshot = replace(WELL.snapshot, feed=feed, processes={"producer": RUNNING})
    return replace(WELL, arrivals=0, symbols=symbols, quote=quote, snapshot=snapshot)


@pytest.mark.parametrize(
    ("look", "severity", "text"),
    [
        (silent(None), None, "the vendor is mute: connected, pings come"),
        (silent(12.0), None, "the vendor trades on (last AAPL trade 12 s ago by its quote): its stream is mute, or we"),
        (silent(-2.0), None, "last AAPL trade 0 s ago"),
        (silent(599.0), None, "the vendor trades on (last AAPL trade 10 min ago"),
        (silent(600.0), Severity.P3, "the vendor's own last trade of AAPL is 10 min old: a halt"),
        (silent(840.0, asked=2), Severity.P3, "the vendor's own last trade of AAPL is 14 min old"),
        (silent(840.0, asked_ago_s=181.0), None, "the vendor is mute: connected, pings come"),  # an old answer
        # of bitcoin, which is never halted, the quote tells nothing
        (silent(840.0, symbols=("AAPL", "BINANCE:BTCUSDT")), None, "is 14 min old"),
        # the producer itself parts from a feed that is mute, to connect anew
        (silent(840.0, feed=PARTED), Severity.P3, "is 14 min old"),
        (silent(12.0, feed=PARTED), None, "the vendor trades on"),
        (silent(None, feed=PARTED), None, "not connected to the feed (connected but mute)"),
        # what is wrong on our side comes first, whatever the vendor has
        (silent(840.0, feed=replace(PARTED, last_disconnect={"reason": "no network"})), None, "not connected"),
        (silent(840.0, feed=replace(MUTE, last_received_age_s=131.0)), None, "not even a ping"),
        (silent(840.0, feed=replace(MUTE, kafka_error="gone")), None, "Kafka does not take them"),
        (silent(840.0, feed=replace(MUTE, silent_s=30.0)), None, "has not answered for 30 s"),
    ],
)
def test_a_mute_stream_is_told_from_a_halt(look: Look, severity: Severity | None, text: str) -> None:
    signal = zero_trades.judge(look)
    assert signal.verdict is Verdict.FAULT
    assert signal.severity is severity
    assert text in signal.text
    assert signal.mendable is (severity is None)


def test_the_quote_is_evidence() -> None:
    assert zero_trades.judge(silent(12.0)).evidence["vendor's quote"] == "last AAPL trade 12 s ago"
    several = zero_trades.judge(silent(840.0, asked=3)).evidence["vendor's quote"]
    assert several == "last AAPL trade 14 min ago, the newest of 3 symbols"
    assert "vendor's quote" not in zero_trades.judge(silent(None)).evidence


def test_it_is_what_a_producer_that_answers_last_said() -> None:
    said = {"symbol": "AAPL", "traded_at": 1.0, "asked_at": 2.0, "asked": 3}
    assert quote_of(FeedStatus(quote=said)) == Quote("AAPL", 1.0, 2.0, 3)
    assert quote_of(FeedStatus(quote=said, silent_s=30.0)) is None
    assert quote_of(FeedStatus()) is None
    assert quote_of(FeedStatus(quote={"of": "another version"})) is None
