"""What each rule says of a look, on looks that are made by hand."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from market_pipeline.alerts.canary import Flight
from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rulebook import RULES, judge, judge_programs
from market_pipeline.alerts.rules import cassandra_disk, high_latency, kafka_down, zero_trades
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Verdict
from market_pipeline.local.processes import ProcessStatus
from market_pipeline.local.snapshot import FeedStatus, StreamStatus
from market_pipeline.store.disk_usage import DiskUsage
from market_pipeline.supervision.disk import Disk
from market_pipeline.supervision.servers import KafkaStatus
from market_pipeline_tests.unit.alerts.looks import RUNNING, WELL


def with_feed(feed: FeedStatus, *, producer: ProcessStatus | None = RUNNING) -> Look:
    processes = {"producer": producer} if producer is not None else {}
    return replace(WELL, arrivals=0, snapshot=replace(WELL.snapshot, feed=feed, processes=processes))


def with_stream(stream: StreamStatus, delays_s: tuple[float, ...] | None = ()) -> Look:
    return replace(WELL, delays_s=delays_s, snapshot=replace(WELL.snapshot, stream=stream))


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_where_all_is_well_every_rule_says_so() -> None:
    assert {signal.rule: signal.verdict for signal in [*judge(WELL), *judge_programs(WELL)]} == dict.fromkeys(
        RULES, Verdict.FINE
    )


@pytest.mark.parametrize(
    ("look", "cause"),
    [
        (with_feed(FeedStatus(connected=True), producer=None), "the producer does not run"),
        (with_feed(FeedStatus(), producer=replace(RUNNING, pid=None)), "the producer does not run"),
        (with_feed(FeedStatus(silent_s=42.0)), "the producer has not answered for 42 s"),
        (with_feed(FeedStatus(journal_error="no space left")), "no room for the journal (no space left)"),
        (with_feed(FeedStatus(last_disconnect={"reason": "refused"})), "not connected to the feed (refused)"),
        (with_feed(FeedStatus()), "not connected to the feed (not connected yet)"),
        (with_feed(FeedStatus(connected=True, kafka_error="gone")), "Kafka does not take them (gone)"),
        (with_feed(FeedStatus(connected=True, last_received_age_s=131.0)), "not even a ping comes"),
        (with_feed(FeedStatus(connected=True, last_received_age_s=20.0)), "the vendor is mute"),
    ],
)
def test_zero_trades_tells_who_is_at_fault(look: Look, cause: str) -> None:
    signal = zero_trades.judge(look)
    assert signal.verdict is Verdict.FAULT
    assert cause in signal.text


def test_zero_trades_where_the_platform_keeps_the_programs() -> None:
    elsewhere = replace(with_feed(FeedStatus()), supervised=False)
    signal = zero_trades.judge(replace(elsewhere, snapshot=replace(elsewhere.snapshot, supervisor=None)))
    assert signal.verdict is Verdict.FAULT
    assert "not watched from here" in signal.text


@pytest.mark.parametrize(
    ("symbols", "now", "verdict"),
    [
        (("AAPL",), "2026-11-24T15:00:00", Verdict.FAULT),
        (("AAPL",), "2026-11-24T14:39:00", Verdict.FINE),  # open for nine minutes
        (("AAPL",), "2026-11-24T14:40:00", Verdict.FAULT),
        (("AAPL",), "2026-11-24T12:00:00", Verdict.FINE),  # pre-market
        (("AAPL",), "2026-11-26T15:00:00", Verdict.FINE),  # Thanksgiving
        (("AAPL",), "2026-11-27T17:59:00", Verdict.FAULT),  # the Friday after it is a half day
        (("AAPL",), "2026-11-27T18:00:00", Verdict.FINE),
        (("AAPL",), "2026-11-02T14:35:00", Verdict.FINE),  # the clocks went back the day before
        (("AAPL",), "2026-11-02T14:41:00", Verdict.FAULT),
        (("BINANCE:BTCUSDT",), "2026-11-28T03:00:00", Verdict.FAULT),
        (("OANDA:EUR_USD",), "2026-11-28T03:00:00", Verdict.FINE),
        (("AAPL", "OANDA:EUR_USD", "BINANCE:BTCUSDT"), "2026-11-28T03:00:00", Verdict.FAULT),
        (("OANDA:XAU_USD", "OANDA:US30_USD", "OANDA:NATGAS_USD"), "2026-11-24T22:12:00", Verdict.FINE),  # their break
        (("OANDA:XAU_USD", "OANDA:US30_USD", "OANDA:NATGAS_USD"), "2026-11-24T23:12:00", Verdict.FAULT),
        (("OANDA:US30_USD",), "2026-11-26T19:00:00", Verdict.FINE),  # closed early on Thanksgiving
    ],
)
def test_zero_trades_are_a_fault_in_session_only(symbols: tuple[str, ...], now: str, verdict: Verdict) -> None:
    assert zero_trades.judge(replace(WELL, arrivals=0, symbols=symbols, now=at(now))).verdict is verdict


def test_zero_trades_without_kafkas_word_or_in_a_replay() -> None:
    assert zero_trades.judge(replace(WELL, arrivals=None)).verdict is Verdict.UNKNOWN
    assert zero_trades.judge(replace(WELL, arrivals=0, feed="replay")).verdict is Verdict.FINE


@pytest.mark.parametrize(
    ("kafka", "leaderless", "verdict", "text"),
    [
        (KafkaStatus(), None, Verdict.FAULT, "does not answer"),
        (KafkaStatus(live=True, fault="there is no topic trades_raw"), 0, Verdict.FAULT, "no topic"),
        (KafkaStatus(live=True), 3, Verdict.FAULT, "3 partitions have no leader"),
        (KafkaStatus(live=True), None, Verdict.UNKNOWN, "not which partitions"),
        (KafkaStatus(live=True), 0, Verdict.FINE, "every partition has a leader"),
    ],
)
def test_kafka_is_down_when_nobody_can_work(
    kafka: KafkaStatus, leaderless: int | None, verdict: Verdict, text: str
) -> None:
    look = replace(WELL, leaderless=leaderless, snapshot=replace(WELL.snapshot, kafka=kafka))
    signal = kafka_down.judge(look)
    assert signal.verdict is verdict
    assert text in signal.text


@pytest.mark.parametrize(
    ("look", "verdict"),
    [
        (with_stream(StreamStatus(lag=0), (0.1,) * 19 + (11.0,)), Verdict.FINE),  # one in twenty
        (with_stream(StreamStatus(lag=0), (0.1,) * 18 + (11.0, 12.0)), Verdict.FAULT),
        (with_stream(StreamStatus(lag=0), (10.0,)), Verdict.FINE),
        (with_stream(StreamStatus(lag=4, newest_event_age_s=10.5)), Verdict.FAULT),
        (with_stream(StreamStatus(lag=9_000, newest_event_age_s=0.3, oldest_waiting_age_s=41.0)), Verdict.FAULT),
        (with_stream(StreamStatus(lag=4, newest_event_age_s=12.0, oldest_waiting_age_s=0.5), (0.1,)), Verdict.FINE),
        (with_stream(StreamStatus(lag=4, newest_event_age_s=9.0), (0.1,)), Verdict.FINE),
        (with_stream(StreamStatus(lag=0, newest_event_age_s=9_000.0)), Verdict.FINE),  # a quiet market
        (with_stream(StreamStatus()), Verdict.UNKNOWN),
        (with_stream(StreamStatus(lag=0), None), Verdict.UNKNOWN),
    ],
)
def test_latency_is_that_of_what_was_written_and_of_what_waits(look: Look, verdict: Verdict) -> None:
    assert high_latency.judge(look).verdict is verdict


@pytest.mark.parametrize(
    ("flights", "delays_s", "verdict", "text"),
    [
        ([Flight(WELL.now - 31, 0.1), Flight(WELL.now - 1, 0.2)], (), Verdict.FINE, "the canaries were queryable"),
        ([Flight(WELL.now - 31, 11.0)], (), Verdict.FAULT, "11.00 s"),
        ([Flight(WELL.now - 61, 11.0)], (), Verdict.FINE, "nothing came"),  # a minute is over
        ([Flight(WELL.now - 9, None)], (), Verdict.FINE, "nothing came"),  # it may still come in time
        ([Flight(WELL.now - 31, None), Flight(WELL.now - 1, 0.1)], (0.1,), Verdict.FAULT, "on its way for 31 s"),
        ([Flight(WELL.now - 31, None)], None, Verdict.UNKNOWN, "does not say"),
    ],
)
def test_a_canary_tells_the_latency_when_no_trade_does(
    flights: list[Flight], delays_s: tuple[float, ...] | None, verdict: Verdict, text: str
) -> None:
    signal = high_latency.judge(replace(with_stream(StreamStatus(lag=0), delays_s), canaries=flights))
    assert (signal.verdict, text in signal.text) == (verdict, True), signal.text


def test_zero_trades_come_with_what_tells_the_cause() -> None:
    deaf = with_feed(FeedStatus(connected=True, last_received_age_s=20.0))
    mute = replace(deaf, canaries=[Flight(WELL.now - 5, 0.2)])
    assert zero_trades.judge(mute).evidence == {
        "connected": "to finnhub",
        "last message or ping": "20 s ago",
        "canary": "sent 5 s ago, queryable after 0.20 s",
    }


@pytest.mark.parametrize(
    ("free", "verdict", "severity"),
    [
        (21, Verdict.FINE, None),
        (20, Verdict.FINE, None),
        (19, Verdict.FAULT, None),
        (10, Verdict.FAULT, None),
        (9, Verdict.FAULT, Severity.P1),
        (0, Verdict.FAULT, Severity.P1),
    ],
)
def test_a_disk_that_fills_up(free: int, verdict: Verdict, severity: Severity | None) -> None:
    tables = {f"market_data.t{n}": n * 10**6 for n in range(9)}
    signal = cassandra_disk.judge(replace(WELL, disk=Disk(100, free, tables, 3_000_000)))
    assert (signal.verdict, signal.severity) == (verdict, severity)
    assert list(signal.evidence["tables_mb"]) == [f"market_data.t{n}" for n in (8, 7, 6, 5, 4)]
    assert signal.evidence["snapshots_mb"] == 3.0


def test_a_disk_elsewhere_can_not_be_judged() -> None:
    signal = cassandra_disk.judge(replace(WELL, disk=None))
    assert signal.verdict is Verdict.UNKNOWN
    assert "MARKET_PIPELINE_CASSANDRA_DATA_DIR" in signal.text


@pytest.mark.parametrize(
    ("usage", "verdict", "severity", "names"),
    [
        ((DiskUsage.SPACIOUS, DiskUsage.SPACIOUS), Verdict.FINE, None, "each node is below"),
        ((DiskUsage.SPACIOUS, DiskUsage.STUFFED), Verdict.FAULT, None, "warning threshold: n1"),
        ((DiskUsage.STUFFED, DiskUsage.FULL), Verdict.FAULT, Severity.P1, "refuses writes: n1; above its"),
        ((DiskUsage.SPACIOUS, None), Verdict.UNKNOWN, None, cassandra_disk.GUARDRAIL),
        ((DiskUsage.STUFFED, None), Verdict.FAULT, None, "warning threshold: n0"),
    ],
)
def test_each_node_of_a_cluster_speaks_for_its_own_disk(
    usage: tuple[DiskUsage | None, ...], verdict: Verdict, severity: Severity | None, names: str
) -> None:
    nodes = {f"n{index}": each for index, each in enumerate(usage)}
    signal = cassandra_disk.judge(replace(WELL, disk=None, disk_usage=nodes))
    assert (signal.verdict, signal.severity, signal.subject) == (verdict, severity, "cassandra")
    assert names in signal.text
