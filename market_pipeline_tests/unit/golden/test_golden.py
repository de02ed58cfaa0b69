"""What others read or keep, beside a copy of it: help, screens, the journal's bytes, messages.

A difference is a change that users see, or data that an older version can't read. Where it is meant, `make golden`
writes the copies anew, and the commit shows what changed.
"""

import json
import os
import time
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from rich.console import Console

from market_pipeline.alerts.ledger import Ledger
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.cli import main
from market_pipeline.cli import reconcile as reconcile_command
from market_pipeline.cli.status import screen
from market_pipeline.feed.journal.frame import MARKER, Frame, encode_frame, parse_frames, segment_header
from market_pipeline.feed.normalise import Normaliser
from market_pipeline.feed.outbox import Outbox
from market_pipeline.local.processes import ProcessStatus
from market_pipeline.local.snapshot import FeedStatus, Snapshot, StreamStatus
from market_pipeline.model import Trade, decode, encode
from market_pipeline.quality.bar_sums import BarMismatch, BarSum
from market_pipeline.quality.digest import Difference
from market_pipeline.quality.latest import LatestPrice, PriceMismatch
from market_pipeline.reconcile import Report
from market_pipeline.settings import Settings
from market_pipeline.supervision.servers import CassandraStatus, KafkaStatus

GOLDEN = Path(__file__).with_name("golden")
UPDATE = "UPDATE_GOLDEN"
AT_US = 1_764_000_000_123_456
FRAMES = (
    (AT_US, b'{"type":"ping"}'),
    (AT_US + 1, b'{"data":[{"p":189.5,"s":"AAPL","t":1764000000123,"v":10}],"type":"trade"}'),
    (AT_US + 2, b"a payload with " + MARKER + b" in it"),
)


def is_as_before(name: str, now: bytes) -> None:
    """Compare with the copy, or write it where that is asked for."""
    kept = GOLDEN / name
    if os.environ.get(UPDATE):
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(now)
    assert kept.exists(), f"there is no {name} yet: make golden"
    if name.endswith(".bin"):
        assert kept.read_bytes().hex(" ", 8) == now.hex(" ", 8)
    else:
        assert kept.read_text(encoding="utf-8") == now.decode()


def paths_of(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command, info_name="market-pipeline")
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from paths_of(child, (*path, name))


def commands_on(path: tuple[str, ...]) -> Iterator[click.Command]:
    command: click.Command | None = main
    for name in path:
        assert isinstance(command, click.Group)
        yield command
        command = command.get_command(click.Context(command), name)
    assert command is not None
    yield command


@pytest.mark.parametrize("path", list(paths_of(main)), ids=lambda path: " ".join(path) or "market-pipeline")
def test_the_help_of_a_command(path: tuple[str, ...]) -> None:
    for command in commands_on(path):
        command._help_option = None  # click keeps what the first caller saw, who may have called it by itself
    shown = CliRunner().invoke(main, [*path, "--help"], prog_name="market-pipeline", terminal_width=100)
    assert shown.exit_code == 0, shown.output
    is_as_before(f"help/{'-'.join(path) or 'market-pipeline'}.txt", shown.output.encode())


def test_no_copy_is_of_a_command_that_is_gone() -> None:
    named = {f"{'-'.join(path) or 'market-pipeline'}.txt" for path in paths_of(main)}
    assert {file.name for file in (GOLDEN / "help").iterdir()} == named


def test_a_segment_of_the_journal() -> None:
    segment = segment_header("finnhub") + b"".join(encode_frame(at, payload) for at, payload in FRAMES)
    is_as_before("segment.bin", segment)
    is_as_before("frame.bin", encode_frame(*FRAMES[1]))


def test_a_segment_that_an_older_version_wrote_is_read() -> None:
    """From the copy: so a change of the form can't go unnoticed by changing both."""
    kept = (GOLDEN / "segment.bin").read_bytes()
    found = parse_frames(kept[len(segment_header("finnhub")) :], "finnhub")
    assert [(frame.received_at, frame.payload) for frame in found.frames] == list(FRAMES)
    assert found.torn == 0


def test_a_message_on_kafka() -> None:
    trade = Trade(
        "BINANCE:BTCUSDT", Decimal("39432.48"), Decimal("0.000263"), AT_US // 1000, f"{AT_US}-00000", 1, "finnhub",
        AT_US, ("1", "12"),
    )  # fmt: skip
    is_as_before("trade.json", encode(trade) + b"\n")
    assert decode((GOLDEN / "trade.json").read_bytes()) == trade


class Produced:
    """Takes records as confluent_kafka's producer does, and keeps them."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def produce(self, topic: str, value: bytes, key: bytes | None = None, **more: Any) -> None:
        headers = {name: text.decode() for name, text in more["headers"]}
        self.records.append({"topic": topic, "key": key, "value": value.decode(), "headers": headers})


def test_a_dead_letter_on_kafka() -> None:
    producer = Produced()
    element = b'{"p":-1,"s":"AAPL","t":1764000000123,"v":10}'
    (letter,) = Normaliser("finnhub").items(Frame(AT_US, b'{"data":[' + element + b'],"type":"trade"}', "finnhub"))
    Outbox(producer, "trades_raw", "trades_dlq").put(letter, lambda *_: None)
    (record,) = producer.records
    is_as_before("dead_letter.json", (json.dumps(record, indent=2) + "\n").encode())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is ``AT_US``, on a machine whose pipeline is at the default place."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: AT_US / 1e6)


def seen(*arguments: str) -> bytes:
    """What a command prints."""
    return CliRunner().invoke(main, arguments, prog_name="market-pipeline").output.encode()


@pytest.mark.usefixtures("clock")
def test_the_screens_of_incidents() -> None:
    """One that is open, one that is taken on and follows from it, and one that is over."""
    now = AT_US / 1e6
    ledger = Ledger(Settings.load().paths.incidents)
    disk = Signal("cassandra-disk", "cassandra", Verdict.FAULT, "85 % used", 85.0, evidence={"tables_mb": {"s": 7.5}})
    down = Signal("kafka-down", "kafka", Verdict.FAULT, "Kafka does not answer at 127.0.0.1:9092")
    for ago_s in (7_200.0, 7_000.0):
        ledger.judge([disk], RULES, now - ago_s)
    (found,) = ledger.not_over()
    ledger.ack(found.id, "ann", now - 6_000)
    for ago_s in (4_000.0, 3_900.0, 3_000.0, 20.0):
        ledger.judge([down, disk], RULES, now - ago_s)
    (kafka,) = [each for each in ledger.not_over() if each.rule == "kafka-down"]
    ledger.resolve(kafka.id, "bob", now - 10)
    ledger.judge([down, disk], RULES, now - 5)
    is_as_before("incidents-list.txt", seen("incidents", "list", "--all"))
    is_as_before("incidents-show.txt", seen("incidents", "show", "cassandra-disk"))
    is_as_before("incidents-show.json", seen("incidents", "show", "cassandra-disk", "--json"))


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(("name", "options"), [("reconcile.txt", ()), ("reconcile.json", ("--json",))])
def test_the_screen_of_reconcile(monkeypatch: pytest.MonkeyPatch, name: str, options: tuple[str, ...]) -> None:
    day, ms = date(2025, 11, 24), AT_US // 1000
    old, new = (LatestPrice(ts, f"{ts * 1000}-00000", Decimal("189.50"), Decimal(1)) for ts in (ms, ms + 7))
    counts = {"received": 9_241, "produced": 9_241, "bronze": 9_241, "silver": 9_216, "bars": 9_200}
    report = Report(
        day,
        counts=counts,
        filled={"produced": 3, "bronze": 3, "silver": 3},
        since={"produced": "2025-11-24T03:00:00+00:00"},
        repeated={"produced": 2},
        differences=[Difference("silver", ("1764000000123456-00000",), (), (), more_missing=27)],
        bars=[BarMismatch("AAPL", ms // 60_000 * 60_000, BarSum(16, Decimal("1600.5")), None)],
        open_bars=2,
        prices=[PriceMismatch("AAPL", new, old)],
        unsettled=1,
        seconds=1.25,
    )
    monkeypatch.setattr(reconcile_command, "compare_hops", lambda *_, **__: report)
    is_as_before(name, seen("reconcile", "--day", str(day), *options))


def test_the_screen_of_status(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    process = ProcessStatus(27306, "RUNNING", 134.0, 0, None, 694.0, 0.4)
    snapshot = Snapshot(
        at=AT_US / 1e6,
        data_dir="/data",
        supervisor=1,
        processes={
            "cassandra": process,
            "stream": ProcessStatus(None, "FATAL", None, 3, "exit status 70", None, None),
            "producer": ProcessStatus(27887, "RUNNING", 7200.0, 1, "terminated by SIGKILL", 201.0, 0.2, asleep=True),
        },
        feed=FeedStatus("finnhub", connected=True, symbols=8, seen=7, unseen=["AMZN"], received=6548),
        kafka=KafkaStatus(live=True, begin={0: 0, 1: 5}, end={0: 61312, 1: 141064}, rate=50.4),
        stream=StreamStatus(silent_s=42.0),
        cassandra=CassandraStatus(live=True, version="5.0.9"),
    )
    console = Console(width=100, color_system=None, force_terminal=False, record=True, file=(tmp_path / "x").open("w"))
    console.print(screen(snapshot, Settings.load(data_dir=Path("/data"))), crop=False)
    is_as_before("status.txt", console.export_text().encode())
