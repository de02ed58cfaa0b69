"""What to do about a server that does not answer follows from what its supervisor says."""

import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from market_pipeline.cli import main
from market_pipeline.settings import Settings
from market_pipeline.supervision.lock import ProcessLock
from market_pipeline.unanswered import cure


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(data_dir=tmp_path / "data")


def write_log(settings: Settings, *events: tuple[float, str]) -> None:
    log = settings.paths.log("supervisord")
    log.parent.mkdir(parents=True, exist_ok=True)
    at = (time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment)) for moment, _ in events)
    log.write_text("".join(f"{when},123 INFO {what}\n" for when, (_, what) in zip(at, events, strict=True)))


def hint(settings: Settings, refusing_port: int) -> str:
    return cure(settings, "cassandra", [f"127.0.0.1:{refusing_port}"])


def test_without_a_supervisor_it_has_to_be_started(settings: Settings, refusing_port: int) -> None:
    write_log(settings, (time.time() - 2, "exited: cassandra (terminated by SIGKILL; not expected)"))
    assert hint(settings, refusing_port).startswith("start it with `market-pipeline up")


def test_a_server_that_was_just_killed_is_being_restarted(settings: Settings, refusing_port: int) -> None:
    write_log(
        settings,
        (time.time() - 900, "exited: kafka (terminated by SIGKILL; not expected)"),
        (time.time() - 2, "exited: cassandra (terminated by SIGKILL; not expected)"),
    )
    settings.paths.run.mkdir(parents=True, exist_ok=True)
    with ProcessLock(settings.paths.lock("supervisord")):
        said = hint(settings, refusing_port)
    assert "market-pipeline up" not in said
    assert said.split(":")[0] in {f"it is being restarted ({seconds} s ago)" for seconds in range(1, 30)}


def test_an_end_of_long_ago_is_not_why_a_server_does_not_answer_now(settings: Settings, refusing_port: int) -> None:
    write_log(settings, (time.time() - 7_200, "exited: cassandra (terminated by SIGKILL; not expected)"))
    settings.paths.run.mkdir(parents=True, exist_ok=True)
    with ProcessLock(settings.paths.lock("supervisord")):
        assert hint(settings, refusing_port).startswith("it is being started")


def test_a_server_that_was_given_up_or_never_ended_says_so(settings: Settings, refusing_port: int) -> None:
    settings.paths.run.mkdir(parents=True, exist_ok=True)
    with ProcessLock(settings.paths.lock("supervisord")):
        assert hint(settings, refusing_port).startswith("it is being started")
        now = time.time()
        write_log(
            settings,
            (now - 9, "exited: cassandra (exit status 1; not expected)"),
            (now - 8, "gave up: cassandra entered FATAL state, too many start retries too quickly"),
        )
        assert "gave it up" in hint(settings, refusing_port)


def test_nodetool_has_the_same_hint(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKET_PIPELINE_DATA_DIR", str(settings.data_dir))
    write_log(settings, (time.time() - 2, "exited: cassandra (terminated by SIGKILL; not expected)"))
    settings.paths.run.mkdir(parents=True, exist_ok=True)
    with ProcessLock(settings.paths.lock("supervisord")):
        done = CliRunner().invoke(main, ["nodetool", "status"])
    assert done.exit_code == 1
    assert "it is being restarted (" in done.stderr
    assert "market-pipeline up" not in done.stderr
