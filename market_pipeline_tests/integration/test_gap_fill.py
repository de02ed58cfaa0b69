"""A gap of the feed, filled from another listener's journal: on a real Kafka and Cassandra, rebuilt by Spark."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cassandra.cluster import Session

from market_pipeline.broker.commits import commit_group_offsets
from market_pipeline.broker.offsets import end_offsets
from market_pipeline.broker.records import read_topic
from market_pipeline.broker.topics import delete_topic, ensure_topics
from market_pipeline.feed.journal import read_frames
from market_pipeline.feed.journal.frame import Frame, encode_frame, segment_header
from market_pipeline.feed.journal.segment import segment_path
from market_pipeline.feed.normalise import trades_of
from market_pipeline.model import Trade, decode, is_filled
from market_pipeline.reconcile import Report, reconcile
from market_pipeline.remedies import gap_fill
from market_pipeline.remedies.gap_fill import CannotFill, fill
from market_pipeline.remedies.sending import send
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.store.feed_gaps import gap_spans, mark_filled, stored_gaps, write_gaps
from market_pipeline.store.migrate import migrate
from market_pipeline_tests.kept_dagster import KeptDagster

pytestmark = [pytest.mark.real_servers, pytest.mark.timeout(600)]

SYMBOL = "BINANCE:BTCUSDT"
NOON = (datetime.now(UTC) - timedelta(days=1)).replace(hour=12, minute=0, second=0, microsecond=0)
DAY = NOON.date()
FIRST_GAP = (120.0, 175.0)
"""Seconds after noon; the other listener heard all of it."""
SECOND_GAP = (300.0, 340.0)
"""In this one the other was silent for longer than anybody is who listens."""
SILENT = (310.0, 325.0)
REBUILT = "trades_silver,ohlcv_1m"


def frames(seconds: list[float], later_us: int) -> list[Frame]:
    """A message a time, of two equal trades, received so much later than it happened."""
    made = []
    for at_s in seconds:
        happened = int(NOON.timestamp() * 1e6) + int(at_s * 1e6)
        element = {"s": SYMBOL, "p": 39_000 + int(at_s) % 7, "t": happened // 1000, "v": 0.5, "c": None}
        payload = json.dumps({"type": "trade", "data": [element, element]}).encode()
        made.append(Frame(happened + later_us, payload, "simulator"))
    return made


def write_journal(folder: Path, written: list[Frame]) -> None:
    folder.mkdir(parents=True)
    body = b"".join(encode_frame(frame.received_at, frame.payload) for frame in written)
    segment_path(folder, written[0].received_at).write_bytes(segment_header("simulator") + body)


def during(seconds: float, span: tuple[float, float]) -> bool:
    return span[0] <= seconds < span[1]


ALL = [float(second) for second in range(420)]
HEARD = [at for at in ALL if not during(at, FIRST_GAP) and not during(at, SECOND_GAP)]
RECORDED = [at for at in ALL if not during(at, SILENT)]


@pytest.fixture(scope="module")
def settings(servers: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A pipeline that heard all but the gaps, and another's journal; what we heard is in Kafka."""
    folder = tmp_path_factory.mktemp("gap-fill")
    own = Settings.load(
        data_dir=folder / "data",
        port_base=servers.port_base,
        feed="simulator",
        topic="gap_fill",
        dead_letter_topic="gap_fill_dlq",
        consumer_group="gap_fill",
        keyspace="gap_fill",
        second_source=folder / "other",
    )
    ensure_topics(own)
    migrate(own)
    write_journal(own.paths.journal, frames(HEARD, 40_000))
    write_journal(folder / "other", frames(RECORDED, 90_000))
    ours = trades_of(read_frames(own.paths.journal), own.active_feed)
    send(own, [trade for trade in ours if isinstance(trade, Trade)])
    yield own
    delete_topic(own, own.topic)
    delete_topic(own, own.dead_letter_topic)


@pytest.fixture(scope="module")
def session(settings: Settings) -> Iterator[Session]:
    with connect(settings) as opened:
        yield opened


def materialize(dagster: KeptDagster, settings: Settings, select: str) -> None:
    command = ("asset", "materialize", "-m", "market_pipeline.definitions", "--select", select)
    dagster.run(settings, *command, "--partition", str(DAY))


def caught_up(settings: Settings) -> None:
    """As the stream tells it once silver has all that Kafka has."""
    commit_group_offsets(settings, settings.consumer_group, settings.topic, end_offsets(settings, settings.topic))


def flags(session: Session, settings: Settings) -> dict[int, tuple[int, bool | None]]:
    """By the minute after noon, how many trades its bar has and whether it is complete."""
    ask = f"SELECT ts, trades, complete FROM {settings.keyspace}.ohlcv_1m WHERE symbol = %s AND day = %s"
    noon = NOON.replace(tzinfo=None)
    rows = session.execute(ask, (SYMBOL, DAY))
    return {(row.ts - noon) // timedelta(minutes=1): (row.trades, row.complete) for row in rows}


def compared(settings: Settings) -> Report:
    report = reconcile(settings, DAY)
    assert report.clean, (report.differences, report.bars)
    return report


def test_a_gap_is_filled_once_and_its_minutes_are_complete(
    settings: Settings, session: Session, dagster: KeptDagster, monkeypatch: pytest.MonkeyPatch
) -> None:
    gaps = [
        (SYMBOL, DAY, NOON + timedelta(seconds=start), NOON + timedelta(seconds=end), "connection error")
        for start, end in (FIRST_GAP, SECOND_GAP)
    ]
    write_gaps(settings, gaps)
    materialize(dagster, settings, f"trades_raw,latest_prices,{REBUILT}")
    assert flags(session, settings)[2] == (10, False)
    assert compared(settings).filled == {}
    monkeypatch.setattr(gap_fill, "STREAM_WITHIN_S", 0.0)
    with pytest.raises(CannotFill, match=f"{2 * len(HEARD):,} of Kafka's records are not in silver yet"):
        fill(settings, DAY, really=True)
    caught_up(settings)

    dry = fill(settings, really=False)
    lacking = [at for at in RECORDED if at not in HEARD]
    assert (dry.missing, dry.sent, dry.rebuild) == (2 * len(lacking), 0, [DAY])
    assert [(each.trades, each.whole) for each in dry.fills] == [(2 * 25, False), (2 * 55, True)]
    assert not any(gap.filled_at for gap in stored_gaps(session, settings, {DAY}))

    assert fill(settings, DAY, really=True).sent == 2 * len(lacking)
    with pytest.raises(CannotFill, match="fill when the stream has caught up"):
        fill(settings, DAY, really=True)
    records = [decode(record.value) for record in read_topic(settings, settings.topic)]
    filled = [trade for trade in records if is_filled(trade.trade_id)]
    assert len({trade.trade_id for trade in filled}) == len(filled) == 2 * len(lacking)
    assert {trade.received_at - trade.ts * 1000 for trade in filled} == {90_000}
    materialize(dagster, settings, REBUILT)
    caught_up(settings)

    again = fill(settings, DAY, really=True)
    assert (again.missing, again.sent, [each.trades for each in again.fills]) == (0, 0, [2 * 25])
    assert {bar: flag for bar, flag in flags(session, settings).items() if bar in (1, 2, 3, 5)} == {
        1: (120, True),
        2: (120, True),
        3: (120, True),
        5: (2 * 45, False),
    }
    report = compared(settings)
    assert {report.counts[hop] for hop in ("received", "produced", "bronze", "silver")} == {2 * len(HEARD)}
    assert report.filled == dict.fromkeys(("produced", "bronze", "silver"), 2 * len(lacking))
    assert report.counts["bars"] == 2 * len(RECORDED)
    assert [gap.filled_at is not None for gap in stored_gaps(session, settings, {DAY})] == [False, True]


def test_a_filled_gap_is_a_down_time_for_who_read_kafka_before_and_storing_it_again_leaves_it_filled(
    settings: Settings, session: Session
) -> None:
    symbol, filled_at = "TEST:FILLED", datetime.now(UTC).replace(microsecond=0)
    row = (symbol, DAY, NOON, NOON + timedelta(seconds=5), "connection error")
    write_gaps(settings, [row])
    (gap,) = [each for each in stored_gaps(session, settings, {DAY}) if each.symbol == symbol]
    assert gap == (*row, None)
    mark_filled(session, settings, gap, filled_at, 3)
    write_gaps(settings, [row])  # as the producer does a little later
    second = timedelta(seconds=1)
    assert list(gap_spans(session, settings, symbol, [DAY])) == []
    assert list(gap_spans(session, settings, symbol, [DAY], filled_at + second)) == []
    assert list(gap_spans(session, settings, symbol, [DAY], filled_at - second)) == [row[2:4]]
