"""What is done before a program of Dagster's is started."""

import logging
import socket
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from market_pipeline.local import launch, unix_sockets
from market_pipeline.local.programs import dagster_command
from market_pipeline.settings import Settings
from market_pipeline_tests.waiting import wait_for


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    found = Settings.load(data_dir=tmp_path)
    found.paths.run.mkdir()
    monkeypatch.setattr("market_pipeline.local.dagster_home.prepare", lambda _: None)
    return found


@pytest.mark.parametrize("name", ["dagster-daemon", "dagster-webserver"])
def test_who_asks_the_code_server_starts_when_it_listens(
    name: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = list[bool]()
    accepts = unix_sockets.accepts

    def looked(path: Path) -> bool:
        looks.append(accepts(path))
        return looks[-1]

    monkeypatch.setattr(unix_sockets, "accepts", looked)
    commands = list[list[str]]()
    waiting = threading.Thread(target=lambda: commands.append(launch._dagster(name, settings)))
    waiting.start()
    wait_for(lambda: len(looks) > 1, "a second look")
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(unix_sockets.code_server(settings)))
        server.listen()
        waiting.join(60)
    assert commands == [dagster_command(name, settings)]
    assert (any(looks[:-1]), looks[-1]) == (False, True)


def test_nobody_waits_for_ever_and_the_code_server_for_nobody(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "CODE_SERVER_WITHIN_S", 0.0)
    launch._dagster("dagster-daemon", settings)
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waits"))
    launch._dagster("dagster-code-server", settings)


def test_the_steps_of_making_a_storage_are_no_news(settings: Settings) -> None:
    logging.getLogger("alembic").setLevel(logging.NOTSET)
    launch._dagster("dagster-code-server", settings)
    assert not logging.getLogger("alembic.runtime.migration").isEnabledFor(logging.INFO)
