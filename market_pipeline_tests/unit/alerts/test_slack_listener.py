"""The program that hears buttons, against a workspace that speaks Socket Mode."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from market_pipeline.alerts.ledger import Ledger
from market_pipeline.alerts.requests import Requests
from market_pipeline.alerts.round import courier
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.feed.program import EXIT_USAGE
from market_pipeline.settings import Settings
from market_pipeline_tests.conftest import die_with_parent
from market_pipeline_tests.slack_server import APP_TOKEN, TOKEN, SlackServer, pressed
from market_pipeline_tests.waiting import wait_for

CHANNEL = "C0000000ALL"


@pytest.fixture
def variables(tmp_path: Path, slack: SlackServer) -> dict[str, str]:
    return {
        "MARKET_PIPELINE_DATA_DIR": str(tmp_path / "data"),
        "SLACK_BOT_TOKEN": TOKEN,
        "SLACK_APP_TOKEN": APP_TOKEN,
        "MARKET_PIPELINE_SLACK_CHANNEL": CHANNEL,
        "MARKET_PIPELINE_SLACK_API_URL": slack.url,
    }


@pytest.fixture
def settings(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings.load()


def listen(tmp_path: Path, variables: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "market_pipeline.alerts.slack_listener"]
    with (tmp_path / "slack.log").open("ab") as log:
        return subprocess.Popen(command, env=os.environ | variables, stdout=log, stderr=log, preexec_fn=die_with_parent)


@pytest.fixture
def listener(
    tmp_path: Path, settings: Settings, variables: dict[str, str], slack: SlackServer
) -> Iterator[subprocess.Popen[bytes]]:
    program = listen(tmp_path, variables)
    wait_for(lambda: slack.listeners, "the listener")
    yield program
    program.kill()
    program.wait()


def opened(settings: Settings, slack: SlackServer) -> dict[str, object]:
    ledger = Ledger(settings.paths.incidents)
    ledger.judge([Signal("program-hung", "stream", Verdict.FAULT, "silent for 30 s")], RULES, time.time())
    messenger = courier(settings)
    assert messenger is not None
    messenger.deliver()
    return slack.roots[0]


def test_a_press_is_confirmed_done_and_told(
    listener: subprocess.Popen[bytes], settings: Settings, slack: SlackServer
) -> None:
    root = opened(settings, slack)
    envelope = slack.press(root, "ack")
    wait_for(lambda: envelope in slack.confirmed, "the word that it was heard")
    wait_for(lambda: "taken on by ann" in str(slack.replies(str(root["ts"]))), "the reply")
    wait_for(lambda: "taken on by ann" in str(root["blocks"]), "the edited message")
    assert Ledger(settings.paths.incidents).show("program-hung")[0].acked_by == "ann"

    slack.press(root, "run", envelope="run-1")
    wait_for(lambda: len(slack.replies(str(root["ts"]))) == 2, "the first answer")
    slack.press(root, "run", by="bob", envelope="run-2")
    wait_for(lambda: len(slack.replies(str(root["ts"]))) == 3, "both answers")
    said = " ".join(each["text"] for each in slack.replies(str(root["ts"])))
    assert ("ann asked for restart_program" in said, "it runs once" in said) == (True, True)
    assert len(Requests(settings.paths.incidents).take(time.time())) == 1


def test_what_is_not_ours_is_confirmed_and_does_nothing(
    listener: subprocess.Popen[bytes], settings: Settings, slack: SlackServer
) -> None:
    root = opened(settings, slack)
    forged = slack.tell(pressed(root, {"action_id": "ack", "value": "program-hung/stream/1|0000"}, "eve"))
    wait_for(lambda: forged in slack.confirmed, "the word that it was heard")
    slack.press(root, "silence", envelope="after")
    wait_for(lambda: slack.replies(str(root["ts"])), "the next one's answer")
    assert Ledger(settings.paths.incidents).show("program-hung")[0].acked_by is None


def test_who_is_not_allowed_is_answered_and_nothing_is_done(
    tmp_path: Path, settings: Settings, variables: dict[str, str], slack: SlackServer
) -> None:
    program = listen(tmp_path, variables | {"MARKET_PIPELINE_SLACK_RUN_USERS": "U0000000ANN, U0000000BOB"})
    try:
        wait_for(lambda: slack.listeners, "the listener")
        root = opened(settings, slack)
        slack.press(root, "run", by="eve", envelope="eve")
        wait_for(lambda: slack.replies(str(root["ts"])), "the answer")
        assert "eve is not allowed to do this" in slack.replies(str(root["ts"]))[0]["text"]
        assert Requests(settings.paths.incidents).take(time.time()) == []
        slack.press(root, "run", by="bob", envelope="bob")
        wait_for(lambda: len(slack.replies(str(root["ts"]))) == 2, "the answer to who is")
        assert len(Requests(settings.paths.incidents).take(time.time())) == 1
    finally:
        program.kill()
        program.wait()


def test_it_connects_again_and_ends_when_told(
    listener: subprocess.Popen[bytes], settings: Settings, slack: SlackServer
) -> None:
    (first,) = slack.listeners
    first.close()
    wait_for(lambda: slack.listeners and first not in slack.listeners, "the next connection", 60)
    listener.send_signal(signal.SIGTERM)
    assert listener.wait(20) == 0


def test_without_tokens_it_says_what_it_needs(tmp_path: Path, variables: dict[str, str]) -> None:
    told = listen(tmp_path, variables | {"SLACK_APP_TOKEN": ""})
    assert told.wait(60) == 2
    assert "SLACK_APP_TOKEN" in (tmp_path / "slack.log").read_text()


@pytest.mark.parametrize("damage", ["newer", "no database"])
def test_a_file_of_incidents_that_cannot_be_used_is_told_in_one_line(
    tmp_path: Path, settings: Settings, variables: dict[str, str], damage: str
) -> None:
    Ledger(settings.paths.incidents)
    if damage == "newer":
        with sqlite3.connect(settings.paths.incidents) as connection:
            connection.execute("PRAGMA user_version = 99")
    else:
        for file in settings.paths.incidents.parent.iterdir():
            file.write_bytes(b"x" * 8_192)
    program = listen(tmp_path, variables)
    assert program.wait(300) == EXIT_USAGE
    (said,) = (tmp_path / "slack.log").read_text().splitlines()
    assert said.startswith("error: the incidents' file can't be used: ")
