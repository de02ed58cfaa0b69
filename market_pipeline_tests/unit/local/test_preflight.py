"""What is refused before a start, each in one line with its cure."""

import socket
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from market_pipeline.feed.program import claim_data_dir
from market_pipeline.layout import LAYOUT
from market_pipeline.local import checkup, preflight
from market_pipeline.local.preflight import StartError
from market_pipeline.settings import LOOPBACK, Settings, SettingsError
from market_pipeline.supervision.lock import ProcessLock


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(data_dir=tmp_path / "data", feed="simulator")


def refused(check: object, *arguments: object) -> str:
    with pytest.raises(StartError) as caught:
        check(*arguments)  # type: ignore[operator]
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_data_dir_is_claimed_and_known_again(settings: Settings) -> None:
    preflight.check_layout(settings.data_dir)
    preflight.claim(settings)
    preflight.check_layout(settings.data_dir)
    assert settings.paths.version.read_text() == f"{LAYOUT}\n"


@pytest.mark.parametrize(
    ("version", "says"),
    [
        (f"{LAYOUT - 1}\n", "an older market-pipeline"),
        (f"{LAYOUT + 1}\n", "a newer market-pipeline"),
        ("3.11.2", "which no version wrote"),
        ("", "which no version wrote"),
    ],
)
def test_a_data_dir_of_another_version_is_refused(settings: Settings, version: str, says: str) -> None:
    settings.data_dir.mkdir()
    settings.paths.version.write_text(version)
    message = refused(preflight.check_layout, settings.data_dir)
    assert says in message
    assert "--data-dir" in message
    with pytest.raises(SettingsError) as caught:  # every other command and service
        Settings.load(data_dir=settings.data_dir)
    assert str(caught.value) == message


def test_a_service_that_no_up_started_says_with_which_layout_it_made_the_data_dir(settings: Settings) -> None:
    claim_data_dir(settings)
    assert settings.paths.version.read_text() == f"{LAYOUT}\n"
    Settings.load(data_dir=settings.data_dir)


def test_somebody_elses_folder_is_left_alone(settings: Settings) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / "thesis.tex").write_text("")
    assert "it has 'thesis.tex'" in refused(preflight.check_layout, settings.data_dir)


def test_what_other_commands_made_there_is_ours(settings: Settings) -> None:
    settings.paths.dagster.mkdir(parents=True)
    preflight.check_layout(settings.data_dir)


def test_a_file_is_no_data_dir(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "is a file" in refused(preflight.check_layout, tmp_path / "file")


def test_a_folder_that_cannot_be_written_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    preflight.check_writable(settings.data_dir)
    monkeypatch.setattr(
        "market_pipeline.local.preflight.os.access", lambda path, mode: False
    )  # root may write anywhere
    parent = settings.data_dir.parent
    message = refused(preflight.check_writable, settings.data_dir)
    assert f"cannot make {settings.data_dir}, for {parent} can't be written: choose another" in message
    assert checkup.check_data_dir(settings).verdict == "failed"
    settings.data_dir.mkdir()
    assert f"cannot write to {settings.data_dir}: " in refused(preflight.check_writable, settings.data_dir)


def test_a_second_pipeline_on_a_data_dir_is_refused(settings: Settings) -> None:
    with ProcessLock(settings.paths.lock("supervisord")):
        message = refused(preflight.check_nothing_runs, settings)
    assert "already running" in message
    assert "market-pipeline status" in message


def test_a_program_that_a_dead_supervisor_left_is_named(settings: Settings) -> None:
    with ProcessLock(settings.paths.lock("kafka")) as _:
        message = refused(preflight.check_nothing_runs, settings)
    assert "kafka (pid " in message
    assert "market-pipeline down" in message


def test_a_full_disk_is_refused_with_figures(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    full = type("Usage", (), {"free": 200 * 1024**2})
    monkeypatch.setattr(psutil, "disk_usage", lambda path: full)
    message = refused(preflight.check_disk, settings)
    assert "200 MiB free and needs 1,024 MiB" in message


def test_a_taken_port_names_its_holder(tmp_path: Path, free_port_base: Callable[[], int]) -> None:
    settings = Settings.load(data_dir=tmp_path, port_base=free_port_base(), feed="simulator")
    with socket.create_server((LOOPBACK, settings.ports.kafka)):
        message = refused(preflight.check_ports, settings)
    assert f"port {settings.ports.kafka} (kafka) is taken by " in message
    assert "--port-base" in message


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"feed": "finnhub"}, "needs a key"),
        ({"feed": "replay"}, "needs --replay-file"),
        (
            {"feed": "replay", "replay_file": Path("/nowhere/trades.jsonl")},
            "there is no recording /nowhere/trades.jsonl",
        ),
        ({"feed": "replay", "replay_file": Path(__file__)}, "holds no trade"),
        ({"feed": "simulator", "symbols": ()}, "no symbols"),
    ],
)
def test_a_feed_without_what_it_needs_is_refused(given: dict[str, object], says: str) -> None:
    assert says in refused(preflight.check_feed, Settings.load(**given))
