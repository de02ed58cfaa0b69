"""The two programs as processes: what a supervisor and a person see. Without Kafka and Cassandra, which may be away."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from websockets.sync.server import ServerConnection

from market_pipeline.feed.journal import read_frames
from market_pipeline.feed.producer import EXIT_KEY_REFUSED
from market_pipeline.feed.program import EXIT_FAILED, EXIT_USAGE
from market_pipeline.settings import DEFAULT_SYMBOLS, LOOPBACK, Settings
from market_pipeline.supervision.heartbeat import read_heartbeat
from market_pipeline.supervision.lock import EXIT_ALREADY_RUNNING
from market_pipeline_tests.unit.feed.conftest import FakeFinnhub, element, trade_message
from market_pipeline_tests.unit.feed.test_receiver import send_then_listen
from market_pipeline_tests.unit.feed.test_transport import status
from market_pipeline_tests.waiting import wait_for

CANARY = "tweety/key"


class Programs:
    """Starts programs of one pipeline and ends them by their own pid."""

    def __init__(self, directory: Path, port_base: int) -> None:
        self.directory = directory
        self.port_base = port_base
        self.environment = {
            "MARKET_PIPELINE_DATA_DIR": str(directory / "data"),
            "MARKET_PIPELINE_PORT_BASE": str(port_base),
            "XDG_STATE_HOME": str(directory / "state"),
        } | {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        self.running: list[subprocess.Popen[bytes]] = []
        self.settings = Settings.load(data_dir=directory / "data", port_base=port_base)

    def start(self, module: str, **environment: str) -> subprocess.Popen[bytes]:
        return self.python("-m", f"market_pipeline.feed.{module}", **environment)

    def python(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        log = (self.directory / f"program.{len(self.running)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env=self.environment | environment,
            cwd=self.directory,
            stderr=log,
            stdout=log,
        )
        self.running.append(process)
        return process

    def log(self, process: subprocess.Popen[bytes]) -> str:
        return (self.directory / f"program.{self.running.index(process)}.log").read_text()

    def detail(self, name: str) -> dict[str, object]:
        beat = read_heartbeat(self.settings.paths.heartbeat(name))
        return dict(beat.detail) if beat else {}


@pytest.fixture
def programs(tmp_path: Path, free_port_base: Callable[[], int]) -> Iterator[Programs]:
    made = Programs(tmp_path, free_port_base())
    yield made
    for process in made.running:
        if process.poll() is None:
            process.kill()
        process.wait()


def recording(path: Path, count: int) -> Path:
    path.write_text("\n".join(trade_message(element(price=n + 1, ts=1_763_000_000_000 + 20 * n)) for n in range(count)))
    return path


def test_killed_in_mid_stream_the_journal_has_every_message_once_and_a_stop_is_clean(
    programs: Programs, tmp_path: Path
) -> None:
    replay = {
        "MARKET_PIPELINE_FEED": "replay",
        "MARKET_PIPELINE_REPLAY_FILE": str(recording(tmp_path / "r.jsonl", 400)),
        "MARKET_PIPELINE_REPLAY_SPEED": "2",
        "MARKET_PIPELINE_REPLAY_ONCE": "true",
    }
    server = programs.start("server", **replay)
    wait_for(lambda: programs.detail("feed-server"), "the server to listen", 60)  # or its absence is a down-time too
    journal = programs.settings.paths.journal

    def count() -> int:
        return sum(1 for _ in read_frames(journal))

    for enough in (40, 120):
        producer = programs.start("producer", **replay)
        wait_for(lambda enough=enough: count() >= enough, f"{enough} messages", 30)  # type: ignore[misc]
        producer.kill()
        producer.wait()
    producer = programs.start("producer", **replay)
    wait_for(lambda: programs.detail("feed-server").get("finished"), "the end of the replay", 60)
    wait_for(lambda: count() >= 400, "the last message")
    producer.send_signal(signal.SIGTERM)
    assert producer.wait(30) == 0
    got = [json.loads(f.payload)["data"][0]["p"] for f in read_frames(journal) if b"trade" in f.payload]
    assert got == list(range(1, 401))
    reasons = [gap["reason"] for gap in json.loads((journal / "gaps.json").read_text())["gaps"]]
    assert reasons == ["start", "producer down", "producer down", "stopped"]
    detail = programs.detail("producer")
    assert detail["connected"] is False
    assert detail["journal"]["unconfirmed_frames"] == 400  # type: ignore[index]
    assert "in the journal" in programs.log(producer)
    server.send_signal(signal.SIGTERM)
    assert server.wait(15) == 0


def test_the_key_is_in_no_log_heartbeat_file_or_command_line_while_the_feed_misbehaves(
    programs: Programs, finnhub: FakeFinnhub
) -> None:
    def script(server: FakeFinnhub, connection: object) -> None:
        if len(server.subscribed) == 1:
            return connection.close(1008, f"bad token={CANARY}")  # type: ignore[attr-defined]
        return send_then_listen(f'{{"type":"error","msg":"bad {CANARY}"}}', trade_message(element()))(
            server,
            connection,  # type: ignore[arg-type]
        )

    finnhub.script = script
    producer = programs.start("producer", FINNHUB_API_KEY=CANARY, FINNHUB_WS_URL=finnhub.url)
    wait_for(lambda: programs.detail("producer").get("received") == 1, "a trade", 30)
    command_line = Path(f"/proc/{producer.pid}/cmdline").read_bytes().decode()
    detail = programs.detail("producer")
    assert (detail["connected"], detail["seen"], detail["symbols"]) == (True, 1, 8)
    assert detail["symbol_names"] == list(DEFAULT_SYMBOLS)
    assert (detail["gap_since"], detail["gap_reason"]) == (None, None)
    producer.send_signal(signal.SIGTERM)
    assert producer.wait(30) == 0
    log = programs.log(producer)
    assert "key in use elsewhere" in log
    assert "the server says: bad ***" in log
    gap = programs.detail("producer")
    assert (gap["gap_reason"], type(gap["gap_since"])) == ("stopped", float)
    kept = [p for p in programs.directory.rglob("*") if p.is_file() and p.suffix not in (".frames", ".log")]
    assert len(kept) >= 3
    everything = log + command_line + "".join(f"{path} {path.read_text()}" for path in kept)
    assert CANARY not in everything
    assert "%2Fkey" not in everything


@pytest.mark.parametrize("code", [401, 403])
def test_a_refused_key_ends_the_producer_with_one_line(programs: Programs, finnhub: FakeFinnhub, code: int) -> None:
    finnhub.answer = status(code)  # type: ignore[assignment]
    producer = programs.start("producer", FINNHUB_API_KEY=CANARY, FINNHUB_WS_URL=finnhub.url)
    assert producer.wait(30) == EXIT_KEY_REFUSED
    log = programs.log(producer)
    assert log.count("check FINNHUB_API_KEY") == 1
    assert "Traceback" not in log
    assert CANARY not in log


def test_a_second_pipeline_with_the_same_key_ends_before_it_connects_and_says_why(
    programs: Programs, finnhub: FakeFinnhub, tmp_path: Path
) -> None:
    finnhub.script = send_then_listen(trade_message(element()))
    with_key = {"FINNHUB_API_KEY": CANARY, "FINNHUB_WS_URL": finnhub.url}
    first = programs.start("producer", **with_key)
    wait_for(lambda: programs.detail("producer").get("received") == 1, "a trade", 30)
    second = programs.start("producer", MARKET_PIPELINE_DATA_DIR=str(tmp_path / "other"), **with_key)
    assert second.wait(30) == EXIT_KEY_REFUSED
    (line,) = programs.log(second).splitlines()
    assert f"pid {first.pid}" in line
    assert CANARY not in line
    assert (first.poll(), len(finnhub.paths)) == (None, 1)


def test_a_place_for_the_keys_lock_that_can_not_be_had_does_not_stop_the_feed(
    programs: Programs, finnhub: FakeFinnhub, tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("")
    finnhub.script = send_then_listen(trade_message(element()))
    producer = programs.start("producer", FINNHUB_API_KEY=CANARY, FINNHUB_WS_URL=finnhub.url)
    wait_for(lambda: programs.detail("producer").get("received") == 1, "a trade", 30)
    assert "can't be known" in programs.log(producer)


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        ("run", "the producer's lock can't be taken"),
        ("journal", "the journal can't be opened"),
        ("run/producer.heartbeat.json/x", "the heartbeat can't be written"),
    ],
)
def test_what_can_not_be_had_is_named_for_what_it_is(programs: Programs, taken: str, said: str) -> None:
    in_the_way = programs.settings.data_dir / taken
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("")
    producer = programs.start("producer")
    assert producer.wait(30) == EXIT_FAILED
    (line,) = programs.log(producer).splitlines()
    assert said in line
    assert taken.split("/")[0] in line


def test_the_simulator_feeds_a_producer_and_a_second_copy_of_either_ends_at_once(programs: Programs) -> None:
    server, producer = programs.start("server"), programs.start("producer")
    wait_for(lambda: int(str(programs.detail("producer").get("received", 0))) > 20, "trades", 30)
    for module in ("server", "producer"):
        second = programs.start(module)
        assert second.wait(30) == EXIT_ALREADY_RUNNING
        assert "already running" in programs.log(second)
    detail = programs.detail("producer")
    assert (detail["feed"], detail["connected"]) == ("simulator", True)
    assert producer.poll() is server.poll() is None


@pytest.mark.parametrize(("number", "stopped"), [(signal.SIGTERM, True), (signal.SIGKILL, False)])
def test_a_producer_that_is_asked_to_end_leaves_a_heartbeat_that_says_so(
    programs: Programs, number: int, stopped: bool
) -> None:
    programs.start("server")
    producer = programs.start("producer")
    wait_for(lambda: programs.detail("producer"), "the first beat", 60)
    producer.send_signal(number)
    producer.wait(60)
    beat = read_heartbeat(programs.settings.paths.heartbeat("producer"))
    assert beat is not None
    assert beat.stopped is stopped


@pytest.mark.parametrize("module", ["server", "producer"])
def test_a_missing_recording_is_one_clear_line_and_exit_2(programs: Programs, tmp_path: Path, module: str) -> None:
    missing = str(tmp_path / "nowhere.jsonl")
    process = programs.start(module, MARKET_PIPELINE_FEED="replay", MARKET_PIPELINE_REPLAY_FILE=missing)
    assert process.wait(30) == EXIT_USAGE
    (line,) = programs.log(process).splitlines()
    assert missing in line


def test_wrong_settings_are_one_clear_line_and_exit_2(programs: Programs) -> None:
    for environment in ({"MARKET_PIPELINE_FEED": "carrier-pigeon"}, {"MARKET_PIPELINE_FEED": "finnhub"}):
        process = programs.start("producer", **environment)
        assert process.wait(30) == EXIT_USAGE
        assert len(programs.log(process).splitlines()) == 1


def test_a_taken_port_is_one_clear_line(programs: Programs) -> None:
    import socket

    with socket.create_server((LOOPBACK, programs.settings.ports.feed)):
        process = programs.start("server")
        assert process.wait(30) == EXIT_FAILED
    (line,) = programs.log(process).splitlines()
    assert f"{LOOPBACK}:{programs.settings.ports.feed}" in line


def test_the_heartbeat_tells_how_many_symbols_are_subscribed_seen_and_beyond_the_plan(
    programs: Programs, finnhub: FakeFinnhub
) -> None:
    """What is past the vendor's limit would be dropped without a word."""
    finnhub.script = send_then_listen(trade_message(element("S0"), element("S1")))
    wanted = ",".join(f"S{number}" for number in range(52))
    producer = programs.start(
        "producer", FINNHUB_API_KEY=CANARY, FINNHUB_WS_URL=finnhub.url, MARKET_PIPELINE_SYMBOLS=wanted
    )
    wait_for(lambda: programs.detail("producer").get("received") == 2, "the trades", 30)
    detail = programs.detail("producer")
    assert (detail["symbols"], detail["seen"], detail["left_out"]) == (50, 2, ["S50", "S51"])
    assert len(detail["unseen"]) == 48  # type: ignore[arg-type]
    assert "the plan allows 50 symbols, left out: S50, S51" in programs.log(producer)


IMPATIENT = """
import sys
from functools import partial
from market_pipeline.feed import producer
producer.Backoff = partial(producer.Backoff, floor_s=0.001, cap_s=0.002)
sys.exit(producer.main())
"""
"""The producer, but for the seconds between its tries."""


def test_500_reconnects_leave_memory_threads_and_files_as_they_were(programs: Programs, finnhub: FakeFinnhub) -> None:
    """Against a server that sends a little and closes; Kafka and Cassandra are away all the time."""
    marks, goes_on = (100, 500), [threading.Event(), threading.Event()]

    def script(server: FakeFinnhub, connection: ServerConnection) -> None:
        for _ in range(3):
            connection.send(trade_message(element()))
        if (number := len(server.subscribed)) in marks:
            server.listen_to(connection, goes_on[marks.index(number)].is_set)
        connection.close(1012)

    finnhub.script = script
    program = programs.python("-c", IMPATIENT, FINNHUB_API_KEY=CANARY, FINNHUB_WS_URL=finnhub.url)
    process = psutil.Process(program.pid)

    def listens_after(reconnects: int) -> None:
        wait_for(lambda: programs.detail("producer").get("received") == 3 * reconnects, f"{reconnects} reconnects", 60)

    listens_after(100)
    wait_for(lambda: "wait for Cassandra" in programs.log(program), "the end of a try to store the gaps")
    memory, threads, files = process.memory_info().rss, process.num_threads(), process.num_fds()
    goes_on[0].set()
    listens_after(500)
    assert process.memory_info().rss <= memory * 1.1
    # such a try has some of its own for a moment
    wait_for(lambda: process.num_threads() <= threads, "no more threads than before")
    wait_for(lambda: process.num_fds() <= files, "no more open files than before")
    goes_on[1].set()
    program.send_signal(signal.SIGTERM)
    assert program.wait(30) == 0


def test_a_dead_thread_ends_the_process(programs: Programs, tmp_path: Path) -> None:
    journal = programs.settings.paths.journal
    journal.mkdir(parents=True)
    (journal / "1700000000000000.frames").mkdir()  # the forwarder can't read this as a segment
    process = programs.start("producer")
    assert process.wait(30) == EXIT_FAILED
    assert "Traceback" not in programs.log(process)
