"""``up``, ``logs``, ``restart``, ``status`` and ``doctor`` as a person types them, with nothing running."""

import io
import json
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from market_pipeline.alerts.database import FORMAT
from market_pipeline.alerts.ledger import Ledger
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.cli import COMMANDS, lifecycle, main
from market_pipeline.cli.foreground import line, news
from market_pipeline.cli.start_display import trades_table, what_next
from market_pipeline.cli.status import (
    age,
    duration,
    feed_faults,
    feed_line,
    kafka_line,
    screen,
    stream_line,
    writer_line,
)
from market_pipeline.cli.terminal import SafeConsole
from market_pipeline.local.first_trades import Seen
from market_pipeline.local.java import NoJava
from market_pipeline.local.processes import ProcessStatus
from market_pipeline.local.snapshot import FeedStatus, Snapshot, StreamStatus
from market_pipeline.local.supervisor_client import ProcessState
from market_pipeline.local.supervisor_log import History
from market_pipeline.settings import Settings
from market_pipeline.supervision.heartbeat import Beat
from market_pipeline.supervision.lock import ProcessLock
from market_pipeline.supervision.servers import CassandraStatus, KafkaStatus
from market_pipeline.webserver import access_token
from market_pipeline.which import where_flags

OURS = ("up", "down", "init", "restart", "logs", "status", "dagster-url", "doctor")


@pytest.fixture
def run(tmp_path: Path, free_port_base: object, monkeypatch: pytest.MonkeyPatch) -> object:
    # both options become variables of this process: let them end with the test
    monkeypatch.setenv("MARKET_PIPELINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MARKET_PIPELINE_PORT_BASE", str(free_port_base()))  # type: ignore[operator]
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    return invoke


@pytest.mark.parametrize("command", OURS)
def test_every_command_has_help_with_examples(run: object, command: str) -> None:
    result = run(command, "--help")  # type: ignore[operator]
    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert "--data-dir" in result.output
    assert set(OURS) <= set(COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("up", "--feed", "finnhub"), "needs a key"),
        (("up", "--replay-file", "absent.jsonl"), "there is no recording"),
        (("up", "--replay-file", "x", "--feed", "simulator"), "--replay-file goes with --feed replay"),
        (("up", "--symbols", "", "--feed", "simulator"), "no symbols"),
        (("up", "--feed", "replay"), "needs --replay-file"),
        (("up", "--replay-file", "x", "--replay-speed", "fast"), "MARKET_PIPELINE_REPLAY_SPEED must be a number"),
        (("restart", "producer"), "nothing runs"),
        (("logs", "stream"), "nothing has run"),
        (("logs", "spark"), "there is no service 'spark'; there are kafka, cassandra"),
        (("init",), "market-pipeline up"),
    ],
)
def test_a_mistake_is_one_line_with_its_cure(run: object, arguments: tuple[str, ...], says: str) -> None:
    result = run(*arguments)  # type: ignore[operator]
    assert result.exit_code == 1
    (error,) = (each for each in result.output.splitlines() if each.startswith("error: "))
    assert says in error
    assert "Traceback" not in result.output
    assert "market-pipeline on" not in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("frobnicate",), "no such command 'frobnicate': see `market-pipeline --help`"),
        (("--port-base", "x", "status"), "invalid value for '--port-base': 'x' is not a valid int"),
        (("status", "--json", "--all"), "no such option"),
        (("topics", "create"), "missing argument 'NAME': see `market-pipeline topics create --help`"),
        (
            ("up", "--rate", "0"),
            "invalid value for '--rate': 0.0 is not in the range x>0: see `market-pipeline up --help`",
        ),
        (("logs", "-n", "-1"), "invalid value for '-n' / '--lines'"),
        (
            ("reconcile", "--day", "2026-13-45"),
            "invalid value for '--day': '2026-13-45' is not a day: write it as 2026-11-24",
        ),
    ],
)
def test_what_cannot_be_meant_is_one_line_with_its_own_exit_code(arguments: tuple[str, ...], says: str) -> None:
    result = CliRunner().invoke(main, arguments, prog_name="market-pipeline")
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {says}")
    assert line.endswith(" --help`")


def test_a_group_alone_shows_its_help() -> None:
    assert "Examples:" in CliRunner().invoke(main, ["topics"]).output


def test_an_unknown_feed_is_refused_with_the_known_ones(run: object) -> None:
    result = run("up", "--feed", "bloomberg")  # type: ignore[operator]
    assert result.exit_code == 2
    assert "'finnhub', 'simulator', 'replay'" in result.output


def test_status_of_nothing_has_its_own_exit_code(run: object) -> None:
    result = run("status", "--json")  # type: ignore[operator]
    assert result.exit_code == 3
    assert json.loads(result.output)["running"] is False
    screen = run("status", "--data-dir", f"/tmp/{'long' * 30}", "--port-base", "31000")  # type: ignore[operator]
    assert f"`market-pipeline up --data-dir /tmp/{'long' * 30} --port-base 31000`\n" in screen.output


def test_a_misspelt_variable_is_told_with_what_may_have_been_meant(
    run: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKET_PIPELINE_SYMBOL", "AAPL")
    monkeypatch.setenv("MARKET_PIPELINE_RATE", "5")
    result = run("status")  # type: ignore[operator]
    warning = "warning: there is no setting MARKET_PIPELINE_SYMBOL: did you mean MARKET_PIPELINE_SYMBOLS?"
    assert result.stderr.splitlines() == [warning]


@pytest.mark.parametrize("command", [("status",), ("query", "SELECT 1"), ("up", "--detach"), ("down",)])
def test_other_ports_than_those_of_the_pipeline_that_runs_are_refused(
    run: object, tmp_path: Path, command: tuple[str, ...]
) -> None:
    settings = Settings.load(data_dir=tmp_path / "data")
    settings.paths.config.mkdir(parents=True)
    settings.paths.port_base.write_text("31000\n")
    if command == ("status",):
        assert run("status", "--port-base", "32000").exit_code == 3  # type: ignore[operator]
    with ProcessLock(settings.paths.lock("supervisord")):
        result = run(*command, "--port-base", "32000")  # type: ignore[operator]
    assert result.exit_code == 1
    assert "runs at port base 31000, not 32000: leave out --port-base" in result.output


def test_down_of_nothing_says_so(run: object) -> None:
    result = run("down")  # type: ignore[operator]
    assert result.exit_code == 0
    assert result.output.startswith("nothing runs on")


def test_down_ends_incidents_and_up_reports_what_is_left(
    run: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, now = Settings.load(data_dir=tmp_path / "data").paths, time.time()
    for back_s in (3_660, 3_600):
        lag = Signal("consumer-lag", "stream", Verdict.FAULT, "lag 13,273 records")
        failed = Signal("failed-run", "archive", Verdict.FAULT, "run 123 failed")
        Ledger(paths.incidents).judge([lag, failed], RULES, now - back_s)
    stopped = run("down")  # type: ignore[operator]
    assert "only a running pipeline can evaluate are over: consumer-lag/stream\n" in stopped.output

    class Fails(lifecycle.Start):
        def check(self) -> None: ...

        def run(self) -> None:
            raise NoJava("there is none")

    monkeypatch.setattr(lifecycle, "Start", Fails)
    started = run("up")  # type: ignore[operator]
    assert "P3 failed-run/archive, open for 61 min, last evaluated 60 min ago: run 123 failed\n" in started.output
    assert "consumer-lag" not in started.output


def test_a_file_of_incidents_that_is_none_keeps_nobody_from_stopping(run: object, tmp_path: Path) -> None:
    incidents = Settings.load(data_dir=tmp_path / "data").paths.incidents
    incidents.parent.mkdir(parents=True, exist_ok=True)
    incidents.write_text("no database, but long enough to be taken for one" * 40)
    result = run("down")  # type: ignore[operator]
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: the incidents' file can't be used")


def test_a_file_of_incidents_of_a_newer_version_keeps_nobody_from_starting_or_stopping(
    run: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    incidents = Settings.load(data_dir=tmp_path / "data").paths.incidents
    Ledger(incidents)
    with closing(sqlite3.connect(incidents)) as file:
        file.execute(f"PRAGMA user_version = {FORMAT + 1}")
    monkeypatch.setattr(lifecycle.Start, "check", lambda _: None)
    warning = "warning: the incidents' file can't be used ("
    assert run("down").stderr.startswith(warning)  # type: ignore[operator]
    assert run("down").exit_code == 0  # type: ignore[operator]

    def starts(_: lifecycle.Start) -> None:
        raise NoJava("this far")

    monkeypatch.setattr(lifecycle.Start, "run", starts)
    said = run("up").stderr  # type: ignore[operator]
    assert (said.startswith(warning), said.endswith("error: this far\n")) == (True, True)


def test_logs_of_one_service_and_of_all(run: object, tmp_path: Path) -> None:
    (tmp_path / "data" / "logs").mkdir(parents=True)
    (tmp_path / "data" / "logs" / "stream.log").write_text("one\ntwo\n")
    assert run("logs", "stream", "-n", "1").output == "two\n"  # type: ignore[operator]
    (tmp_path / "data" / "logs" / "producer.log").write_text("three\nfour\n")
    shown = run("logs", "-n", "1").output  # type: ignore[operator]
    assert sorted(shown.splitlines()) == ["producer            | four", "stream              | two"]


def test_the_end_of_following_is_quiet(run: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    (tmp_path / "data" / "logs").mkdir(parents=True)
    (tmp_path / "data" / "logs" / "stream.log").write_text("one\n")
    monkeypatch.setattr("market_pipeline.cli.logs.time.sleep", interrupted)
    result = run("logs", "-f", "stream")  # type: ignore[operator]
    assert (result.exit_code, result.output) == (0, "one\n")


def test_doctor_tells_each_check_and_fails_with_one(run: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("market_pipeline.local.checkup.ask_vendor", lambda url: "no network")
    monkeypatch.setattr("market_pipeline.local.checkup.knock", lambda url: "no network")
    healthy = run("doctor", "--json")  # type: ignore[operator]
    assert healthy.exit_code == 0, healthy.output
    assert json.loads(healthy.output)["healthy"] is True
    monkeypatch.setenv("MARKET_PIPELINE_FEED", "finnhub")
    sick = run("doctor")  # type: ignore[operator]
    assert sick.exit_code == 1
    assert "FAIL feed" in sick.output


def a_snapshot() -> Snapshot:
    process = ProcessStatus(42, "RUNNING", 3700.0, 2, "terminated by SIGKILL at 10:00", 812.0, 0.4)
    return Snapshot(
        at=0.0,
        data_dir="/data",
        supervisor=7,
        processes={"producer": process, "stream": ProcessStatus(None, "FATAL", None, 8, "gave up", None, None)},
        feed=FeedStatus("simulator", True, 8, 7, ["X"], 1234, 0.02),
        kafka=KafkaStatus(True, {0: 0, 1: 5}, {0: 600, 1: 700}, 49.9),
        stream=StreamStatus(
            *("real-time", "running", 3, 0.02, 50.0, 12.0),
            oldest_waiting_age_s=0.4,
            slowest_partition=1,
        ),
        cassandra=CassandraStatus(True, "5.0.9", 88.0),
    )


def test_the_screen_tells_it_all() -> None:
    console = SafeConsole(width=160, record=True, file=io.StringIO())
    console.print(screen(a_snapshot(), Settings.load(port_base=31000)))
    text = console.export_text()
    for part in (
        *("producer", "42", "running", "61 min", "812 MB", "terminated by SIGKILL", "fatal", "gave up"),
        *("simulator connected", "7 of 8 symbols seen", "1,234 trades received", "last message 0.02 s ago"),
        *("1,300 records", "0:0–600 1:5–700", "49.9/s in the last minute"),
        *("lag 3", "oldest waiting trade 0.40 s old (partition 1)"),
        *("answers, version 5.0.9", "88 MB on disk"),
    ):
        assert part in text


@pytest.mark.parametrize("name", ["x [abc] y", "x [/abc] y"])
def test_what_others_wrote_is_shown_as_it_is(name: str) -> None:
    error = ProcessStatus(None, "FATAL", None, 8, name, None, None)
    sick = replace(a_snapshot(), processes={"stream": error}, feed=FeedStatus(name, True))
    price = SimpleNamespace(symbol=name, price=Decimal("1.5"), volume=Decimal(2), ts=datetime(2025, 11, 28, tzinfo=UTC))
    console = SafeConsole(width=160, record=True, file=io.StringIO())
    console.print(screen(sick, Settings.load()))
    console.print(trades_table(Seen([price])))
    assert console.export_text().count(name) == 3


def test_the_headline_names_the_recording_as_it_is(run: object, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fails:
        begun = False

        def __init__(self, *_: object) -> None:
            pass

        def check(self) -> None:
            pass

        def run(self) -> None:
            raise NoJava("there is none")

    monkeypatch.setattr(lifecycle, "Start", Fails)
    result = run("up", "--replay-file", "x [b]y.jsonl")  # type: ignore[operator]
    assert "x [b]y.jsonl\n" in result.output


def test_the_screen_tells_what_is_wrong() -> None:
    feed = FeedStatus(
        "finnhub", silent_s=12.0, left_out=["X", "Y"], rejected_symbols={"aapl": "no", "foo bar": "no"},
        journal_error="No space left on device", gaps_waiting=2, gap_since=40.0, gap_reason="disk",
    )  # fmt: skip
    sick = replace(
        a_snapshot(),
        at=100.0,
        feed=feed,
        kafka=KafkaStatus(live=True, fault="there is no topic trades_raw"),
        stream=StreamStatus("real-time", silent_s=30.0, newest_event_age_s=30.5),
    )
    assert feed_faults(sick) == [
        "no answer for 12 s",
        "nothing is received: the journal can't be written (No space left on device)",
        "gap since 60 s (disk)",
        "gaps that wait for Cassandra: 2",
        "rejected by the feed: aapl, foo bar",
        "beyond the plan's limit, left out: X, Y",
    ]
    assert all(fault in feed_line(sick) for fault in feed_faults(sick))
    assert kafka_line(sick) == "answers, but there is no topic trades_raw"
    assert stream_line(sick) == "no answer for 30 s · newest queryable trade 30 s old"
    hung = StreamStatus("real-time", "unresponsive", 9, 7.0, jvm_pid=43, jvm_silent_s=6.2, jvm_doing="stopped")
    assert stream_line(replace(sick, stream=hung)).startswith("JVM does not respond for 6 s (stopped) · lag 9 · ")
    behind = StreamStatus("real-time", "running", 13_273, 0.28, oldest_waiting_age_s=41.0, slowest_partition=1)
    shown = stream_line(replace(sick, stream=behind))
    assert "lag 13,273 · –/s · oldest waiting trade 41 s old (partition 1)" in shown
    assert "0.28" not in shown
    assert "newest queryable trade not known yet" in stream_line(replace(sick, stream=StreamStatus(phase="running")))


@pytest.mark.parametrize(
    ("trade_age_s", "message_age_s", "shown"),
    [
        (600.0, 3.0, "last trade 10 min ago · last message 3.00 s ago"),  # a quiet market: pings alone come
        (None, 3.0, "no trade yet · last message 3.00 s ago"),
        (None, None, "no trade yet · no message yet"),
    ],
)
def test_the_screen_tells_the_last_trade_from_the_last_message(
    trade_age_s: float | None, message_age_s: float | None, shown: str
) -> None:
    feed = FeedStatus("finnhub", connected=True, last_received_age_s=message_age_s, last_trade_age_s=trade_age_s)
    assert shown in feed_line(replace(a_snapshot(), feed=feed))


def test_the_screen_has_what_the_writer_did() -> None:
    figures = {
        "trades": 3_021, "batches": 140, "largest_batch": 200, "acknowledged_p50_us": 900,
        "acknowledged_p99_us": 12_400, "bar_writes": 77, "bar_loads": 9,
        "dead_letters.malformed_json": 2, "dead_letters.in_the_future": 1,
    }  # fmt: skip
    stream = StreamStatus("real-time", "running", 0, writer=figures)
    assert writer_line(stream) == (
        "3,021 trades in 140 batches (largest 200) · acknowledged within 0.9 ms (p50), 12.4 ms (p99)"
        " · bars: 77 writes, 9 loads"
    )
    assert "rejected 3" in stream_line(replace(a_snapshot(), stream=stream))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (5, "5 s"), (119, "119 s"), (240, "4 min"), (12_000, "3 h 20 min"), (183_600, "2 d 3 h")],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_small_ages_have_fractions() -> None:
    assert (age(0.021), age(11.0), age(None)) == ("0.02 s", "11 s", "–")


def test_the_line_of_a_running_up() -> None:
    producer = Beat("producer", 1, 0, 100.0, {"received": 1234, "connected": True})
    stream = Beat("stream", 2, 0, 99.5, {"input_rate": 50.2, "lag": 0, "newest_event_age_s": 0.1})
    text = line(producer, stream, 100.0)
    assert text.startswith("1,234 trades received · 50/s · lag 0 · newest queryable at most 0.6 s old")
    assert "NOT connected" in line(Beat("producer", 1, 0, 1.0, {"connected": False}), None, 2.0)


def test_a_program_that_was_started_again_is_told_once() -> None:
    before, after = {"stream": History()}, {"stream": History(1, "exit status 1 at 10:00")}
    assert news(before, after, {}) == ["stream ended (exit status 1 at 10:00) and is started again"]
    assert news(after, after, {}) == []


@pytest.mark.parametrize(
    ("state", "exit_status", "outcome"),
    [
        ("RUNNING", None, "is started again"),
        ("EXITED", 1, "is started again"),
        ("EXITED", 0, "is done"),
        ("EXITED", 77, "stays down, for a new start cannot mend that: see `market-pipeline logs producer`"),
        ("FATAL", None, "is given up: see `market-pipeline logs producer`, then `market-pipeline restart producer`"),
    ],
)
def test_what_becomes_of_a_program_that_ended(state: str, exit_status: int | None, outcome: str) -> None:
    states = {"producer": ProcessState("producer", state, None, None, None, exit_status)}
    assert news({}, {"producer": History(0, "at 10:00")}, states) == [f"producer ended (at 10:00) and {outcome}"]


def test_what_to_type_next_names_this_pipeline(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path / "a b", port_base=31_000)
    assert where_flags(settings) == f" --data-dir '{tmp_path}/a b' --port-base 31000"
    assert where_flags(Settings.load()) == ""
    console = SafeConsole(width=60, record=True, file=io.StringIO())
    what_next(settings, console, detached=True)
    assert "http://127.0.0.1:31030\n" in console.export_text(clear=False).replace("   (starts", "\n")
    token = access_token.renew(settings.dagster_token_path)
    what_next(settings, console, detached=True)
    assert f"http://127.0.0.1:31030/?token={token}" in console.export_text(clear=False)
    assert "market-pipeline down --data-dir" in console.export_text()
    what_next(settings.model_copy(update={"dagster": False}), console, detached=True)
    assert "Dagster" not in console.export_text()


@pytest.mark.parametrize(("there", "told"), [(True, "http://"), (False, "its page does not answer yet: http://")])
def test_the_screen_tells_when_dagsters_page_is_there(there: bool, told: str) -> None:
    webserver = ProcessStatus(43, "RUNNING", 5.0, 0, None, 150.0, None)
    snapshot = replace(a_snapshot(), processes={"dagster-webserver": webserver}, dagster_page=there)
    console = SafeConsole(width=160, record=True, file=io.StringIO())
    console.print(screen(snapshot, Settings.load(port_base=31000)))
    text = console.export_text()
    assert f"dagster    {told}127.0.0.1:31030" in text
    assert ("`market-pipeline dagster-url" in text) is there
    assert "token=" not in text


def test_dagster_url_prints_the_url_with_the_token(run: object) -> None:
    settings = Settings.load()
    missing = run("dagster-url")  # type: ignore[operator]
    assert missing.exit_code == 1
    assert "Dagster's page does not run on" in missing.output
    file = settings.dagster_token_path
    token = access_token.renew(file)
    assert run("dagster-url").output == f"{settings.page_url}/?token={token}\n"  # type: ignore[operator]
    file.chmod(0o644)
    exposed = run("dagster-url")  # type: ignore[operator]
    assert exposed.exit_code == 1
    assert "chmod 600" in exposed.output
    assert token not in exposed.output


def test_a_server_that_runs_and_does_not_answer_is_no_healthy_one() -> None:
    kafka = ProcessStatus(44, "RUNNING", 900.0, 0, None, 300.0, None)
    silent = KafkaStatus(fault="it listens, and is silent for 2.5 s")
    snapshot = replace(a_snapshot(), processes={"kafka": kafka}, kafka=silent)
    console = SafeConsole(width=160, record=True, file=io.StringIO())
    console.print(screen(snapshot, Settings.load()))
    assert "running, silent" in console.export_text()
    assert kafka_line(snapshot) == "does not answer: it listens, and is silent for 2.5 s"
