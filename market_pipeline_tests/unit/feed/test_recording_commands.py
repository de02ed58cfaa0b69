"""`record` and `replay` as a person types them."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from market_pipeline.cli import main
from market_pipeline.feed.journal import Journal
from market_pipeline.feed.recording import symbols_in
from market_pipeline.feed.secrecy import Secrecy
from market_pipeline.feed.server import cannot_serve
from market_pipeline.feed.transport import connect
from market_pipeline.settings import LOOPBACK, Settings
from market_pipeline_tests.unit.feed.conftest import element, trade_message
from market_pipeline_tests.waiting import wait_for


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("MARKET_PIPELINE_DATA_DIR", str(tmp_path / "data"))
    return lambda *arguments: CliRunner().invoke(main, list(arguments))


def journal(tmp_path: Path) -> Journal:
    times = iter(range(1_763_000_000_000_000, 1_763_000_100_000_000, 1_000_000))
    made = Journal(tmp_path / "data" / "journal", "simulator", clock=lambda: next(times))
    for n in range(10):
        made.append(trade_message(element(price=n + 1)).encode())
    return made


def test_record_writes_what_was_received_with_its_times(tmp_path: Path, run: Callable[..., Result]) -> None:
    journal(tmp_path)
    out = tmp_path / "out.jsonl"
    result = run("record", "--out", str(out))
    assert result.exit_code == 0
    assert "10 messages written" in result.output
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["data"][0]["p"] for line in lines] == list(range(1, 11))
    assert [line["received_at"] for line in lines][:2] == [1_763_000_000_000_000, 1_763_000_001_000_000]


def test_what_is_damaged_in_the_journal_is_told_and_left_out(
    tmp_path: Path, run: Callable[..., Result], caplog: pytest.LogCaptureFixture
) -> None:
    journal(tmp_path)
    (segment,) = (tmp_path / "data" / "journal").glob("*.frames")
    intact = segment.read_bytes()
    middle = intact.index(b"MPJ", len(intact) // 2)
    segment.write_bytes(intact[:middle] + b"garbage" + intact[middle + 7 :] + b"garbage")
    result = run("record")
    assert len(result.stdout.splitlines()) == 9
    assert result.stderr == (
        f"warning: {segment} has 2 damaged or incomplete stretches: what was in them is left out\n"
    )
    assert symbols_in(segment) == ("AAPL",)
    assert caplog.messages == [f"{segment} has 2 damaged stretches: what was in them is not played"]


def test_record_of_a_stretch_of_time_to_standard_output(tmp_path: Path, run: Callable[..., Result]) -> None:
    journal(tmp_path)
    result = run("record", "--since", "2025-11-13T02:13:23Z", "--until", "2025-11-13T03:13:25+01:00")
    assert [json.loads(line)["data"][0]["p"] for line in result.output.splitlines()] == [4, 5]


def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, run: Callable[..., Result]) -> None:
    journal(tmp_path)
    assert run("record", "--since", "yesterday").exit_code == 2
    failed = run("record", "--out", str(tmp_path / "no" / "such" / "folder"))
    assert (failed.exit_code, len(failed.output.splitlines())) == (1, 1)
    missing = run("replay", str(tmp_path / "nowhere"))
    assert (missing.exit_code, len(missing.output.splitlines())) == (1, 1)
    assert "there is no recording" in missing.output
    assert "--replay-file" not in missing.output
    assert not Settings.load(data_dir=tmp_path / "data").paths.run.exists()
    assert run("replay", "x", "--speed", "fast").exit_code == 1


def test_a_record_of_nothing_leaves_no_file(tmp_path: Path, run: Callable[..., Result]) -> None:
    out = tmp_path / "out.jsonl"
    nothing = run("record", "--out", str(out))
    assert (nothing.exit_code, len(nothing.output.splitlines())) == (1, 1)
    assert "nothing was recorded" in nothing.output
    journal(tmp_path)
    assert "nothing was recorded" in run("record", "--since", "2030-01-01", "--out", str(out)).output
    assert run("record", "--until", "2020-01-01").exit_code == 1
    assert not out.exists()


def test_a_folder_that_cannot_be_written_is_no_port_that_is_taken(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path / "data", port_base=31_000)
    folder = PermissionError(errno.EACCES, "Permission denied", str(settings.paths.run))
    assert cannot_serve(settings, folder).startswith(f"can't write {settings.paths.run}: Permission denied (--data-dir")
    taken = OSError(errno.EADDRINUSE, "Address already in use")
    assert "can't listen on 127.0.0.1:31080: Address already in use (--port-base" in cannot_serve(settings, taken)


@pytest.mark.parametrize("command", ["record", "replay"])
def test_help_has_examples(command: str, run: Callable[..., Result]) -> None:
    assert "Examples:" in run(command, "--help").output


def test_replay_serves_in_the_foreground_until_interrupted(tmp_path: Path, free_port_base: Callable[[], int]) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text("\n".join(trade_message(element(price=n + 1, ts=1_763_000_000_000)) for n in range(5)))
    base = free_port_base()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "market_pipeline.cli", "replay", str(file), "--speed", "max", "--once"),
            *("--data-dir", str(tmp_path / "data"), "--port-base", str(base)),
        ],
        stdout=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"},
        cwd=tmp_path,
    )
    try:
        assert process.stdout is not None
        assert f"ws://{LOOPBACK}:{base + 80}" in process.stdout.readline().decode()
        got: list[bytes] = []
        connection = None

        def all_came() -> bool:
            nonlocal connection
            if connection is None:
                connection = connect(f"ws://{LOOPBACK}:{base + 80}", None, Secrecy(None))
                connection.send('{"type":"subscribe","symbol":"AAPL"}')
            payload = connection.receive()
            got.extend([payload] if payload else [])
            return len(got) == 5

        wait_for(all_came, "five messages", 20)
        for line in process.stdout:
            if "5 messages, 5 trades sent; all is played" in line.decode():
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()
