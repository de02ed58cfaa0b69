"""``up`` and ``init`` when something gives way: one line with the cure, and nothing is left running."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
from cassandra import OperationTimedOut
from cassandra.cluster import NoHostAvailable
from click.testing import CliRunner

from market_pipeline.cli import lifecycle, main
from market_pipeline.local import preflight
from market_pipeline.local.preflight import StartError
from market_pipeline.local.supervisor_client import SupervisorAway

FAILURES = [
    (SupervisorAway("TimeoutError: timed out"), "the supervisor does not do what it is told (TimeoutError: timed out)"),
    (PermissionError("/tmp/x belongs to another user: use a shorter --data-dir"), "use a shorter --data-dir"),
    (OSError(errno.ENOSPC, "No space left on device", "/data/run"), "/data/run: No space left on device: make room"),
    (NoHostAvailable("Unable to complete", {}), "Cassandra failed (NoHostAvailable: Unable to complete)"),
    (OperationTimedOut(), "Cassandra failed (OperationTimedOut"),
]


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What was stopped, told by what stands in for the stop."""
    done: list[str] = []
    monkeypatch.setattr(lifecycle, "bring_down", lambda settings, told: done.append("all"))
    monkeypatch.setenv("MARKET_PIPELINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return done


def failing_start(error: Exception, *, begun: bool) -> type:
    class Start:
        def __init__(self, *_: object) -> None:
            self.begun = begun

        def check(self) -> None: ...

        def run(self) -> None:
            raise error

    return Start


@pytest.mark.parametrize(("error", "says"), FAILURES)
def test_a_start_that_fails_is_told_in_one_line_and_stopped(
    monkeypatch: pytest.MonkeyPatch, stopped: list[str], error: Exception, says: str
) -> None:
    monkeypatch.setattr(lifecycle, "Start", failing_start(error, begun=True))
    done = CliRunner().invoke(main, ["up", "--feed", "simulator"])
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert says in done.output
    assert stopped == ["all"]


def test_a_start_that_began_nothing_stops_nothing(monkeypatch: pytest.MonkeyPatch, stopped: list[str]) -> None:
    monkeypatch.setattr(lifecycle, "Start", failing_start(PermissionError("no"), begun=False))
    assert CliRunner().invoke(main, ["up", "--feed", "simulator"]).exit_code == 1
    assert stopped == []


def test_a_recording_is_opened_once(
    monkeypatch: pytest.MonkeyPatch, stopped: list[str], tmp_path: Path, free_port_base: Callable[[], int]
) -> None:
    class Start(lifecycle.Start):
        def run(self) -> None:
            raise StartError("as far as that")

    opened: list[Path | None] = []
    monkeypatch.setattr(preflight, "check_playable", opened.append)
    monkeypatch.setattr(lifecycle, "Start", Start)
    monkeypatch.setenv("MARKET_PIPELINE_PORT_BASE", str(free_port_base()))
    done = CliRunner().invoke(main, ["up", "--replay-file", str(tmp_path / "trades.jsonl")])
    assert "as far as that" in done.output
    assert opened == [tmp_path / "trades.jsonl"]


def test_a_supervisor_that_fails_at_dagster_is_a_warning(monkeypatch: pytest.MonkeyPatch, stopped: list[str]) -> None:
    class Start(failing_start(RuntimeError(), begun=True)):  # type: ignore[misc]
        def run(self) -> None: ...

        def start_dagster(self) -> None:
            raise SupervisorAway("timed out")

    monkeypatch.setattr(lifecycle, "Start", Start)
    done = CliRunner().invoke(main, ["up", "--detach", "--feed", "simulator"])
    assert "warning: timed out" in done.output
    assert "Trades are received" in done.output
    assert stopped == []


def test_dagster_is_left_to_one_that_runs_elsewhere(monkeypatch: pytest.MonkeyPatch, stopped: list[str]) -> None:
    class Start(failing_start(RuntimeError(), begun=True)):  # type: ignore[misc]
        def run(self) -> None: ...

        def start_dagster(self) -> None:
            raise AssertionError("it was started")

    monkeypatch.setattr(lifecycle, "Start", Start)
    done = CliRunner().invoke(main, ["up", "--detach", "--feed", "simulator", "--no-dagster"])
    assert done.exit_code == 0, done.output


def test_init_tells_what_the_driver_raises(monkeypatch: pytest.MonkeyPatch, stopped: list[str]) -> None:
    def away(_: object) -> list[str]:
        raise NoHostAvailable("Unable to complete", {})

    monkeypatch.setattr(lifecycle, "ensure_topics", lambda settings: [])
    monkeypatch.setattr(lifecycle, "migrate", away)
    done = CliRunner().invoke(main, ["init"])
    assert done.exit_code == 1
    assert "error: Cassandra failed (NoHostAvailable: Unable to complete)" in done.output
