"""Whether a JVM responds: by a process that is really stopped, and by a clock for what takes longer."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import psutil
import pytest

from market_pipeline.stream.responsiveness import (
    ENDED_AFTER_S,
    NEVER_PROMPT_S,
    PROMPT_S,
    UNRESPONSIVE_AFTER_S,
    Activity,
    Answers,
    Responsiveness,
    Unresponsive,
)
from market_pipeline_tests.waiting import wait_for

START = 1_000.0
ECHO = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
connection, _ = server.accept()
while byte := connection.recv(1):
    connection.sendall(byte)
"""


class Driver:
    """Calls and watches as the two threads do, on a clock of its own."""

    def __init__(self) -> None:
        self.now = START
        self.answers = Answers(START)
        self.worst_s = 0.0

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 0.25
            self.answers.watch(self.now)
            self.worst_s = max(self.worst_s, self.answers.unprompt_s(self.now))

    def call(self, takes_s: float) -> None:
        self.pass_time(0.5)
        self.answers.asked(self.now)
        self.pass_time(takes_s)
        self.answers.answered(self.now)


def test_a_pause_of_two_seconds_is_neither_reported_nor_the_end() -> None:
    driver = Driver()
    for takes_s in (0.0, 2.0, 0.0, 2.5, 0.0):
        driver.call(takes_s)
    assert driver.worst_s < UNRESPONSIVE_AFTER_S
    assert not driver.answers.hopeless(driver.now, heap_gib=0.75)


def test_no_answer_is_the_end_and_a_large_heap_gets_more_time() -> None:
    driver = Driver()
    driver.call(0.0)
    driver.answers.asked(driver.now)
    driver.pass_time(ENDED_AFTER_S + 2.0)
    assert not driver.answers.hopeless(driver.now, heap_gib=0.75)
    driver.pass_time(1.0)
    assert driver.answers.hopeless(driver.now, heap_gib=0.75)
    assert not driver.answers.hopeless(driver.now, heap_gib=8.0)


def test_answers_that_are_all_late_are_a_collection_that_never_gets_done() -> None:
    driver = Driver()
    while driver.now < START + NEVER_PROMPT_S:
        assert not driver.answers.hopeless(driver.now, heap_gib=0.75)
        driver.call(PROMPT_S + 1.0)
    driver.call(PROMPT_S + 1.0)
    assert driver.answers.hopeless(driver.now, heap_gib=0.75)


def test_a_watch_that_was_stopped_itself_blames_nobody() -> None:
    driver = Driver()
    driver.answers.asked(driver.now)
    driver.now += 3_600.0  # a suspended machine, or SIGSTOP of the process that watches
    driver.answers.watch(driver.now)
    assert driver.answers.unprompt_s(driver.now) == 0.0
    assert not driver.answers.hopeless(driver.now, heap_gib=0.75)


@pytest.fixture
def echo() -> Iterator[tuple[int, Callable[[], object]]]:
    """A process that answers each byte, and a call to it."""
    with subprocess.Popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            with socket.create_connection(("127.0.0.1", int(process.stdout.readline()))) as connection:

                def ping() -> None:
                    connection.sendall(b"x")
                    if connection.recv(1) != b"x":
                        raise ConnectionError("gone")

                yield process.pid, ping
        finally:
            process.kill()


def test_a_process_that_is_stopped_is_reported_with_the_reason_and_given_up(
    echo: tuple[int, Callable[[], object]],
) -> None:
    pid, ping = echo
    given_up: list[Unresponsive] = []
    watched = Responsiveness(pid, ping, 0.0, given_up.append).start()
    os.kill(pid, signal.SIGSTOP)
    found = wait_for(lambda: watched.unresponsive, "the report")
    assert UNRESPONSIVE_AFTER_S <= found.for_s < ENDED_AFTER_S
    assert str(found).endswith("stopped by a signal (SIGSTOP) or a debugger")
    assert not given_up
    wait_for(lambda: given_up, "the end")
    assert given_up[0].for_s > ENDED_AFTER_S


def test_one_that_goes_on_in_time_is_left_alone(echo: tuple[int, Callable[[], object]]) -> None:
    pid, ping = echo
    given_up: list[Unresponsive] = []
    watched = Responsiveness(pid, ping, 0.0, given_up.append).start()
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: watched.unresponsive, "the report")
    os.kill(pid, signal.SIGCONT)
    wait_for(lambda: watched.unresponsive is None, "the all-clear")
    assert not given_up


def test_calls_that_fail_are_no_answers_of_a_process_that_lives(echo: tuple[int, Callable[[], object]]) -> None:
    pid, _ = echo
    given_up: list[Unresponsive] = []

    def broken() -> None:
        raise ConnectionError("the connection was reset")

    watched = Responsiveness(pid, broken, 0.0, given_up.append).start()
    assert wait_for(lambda: watched.unresponsive, "the report").pid == pid
    watched.stop()


def test_one_that_died_is_not_unresponsive(echo: tuple[int, Callable[[], object]]) -> None:
    pid, ping = echo
    watched = Responsiveness(pid, ping, 0.0, lambda _: None).start()
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: watched.unresponsive, "the report")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: watched.unresponsive is None, "the end of the report")


def test_what_a_process_does_is_seen_from_outside(echo: tuple[int, Callable[[], object]]) -> None:
    idle = Activity(echo[0])
    assert idle.description() == "what it does is not known"
    for at in (0.0, 1_000.0):
        idle.sample(at)
    assert idle.description().startswith("idle (0.0 processors)")
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as spinning:
        try:
            # a clock that passes with the processor's time of the process: whatever else the machine does, it is busy
            busy, process = Activity(spinning.pid), psutil.Process(spinning.pid)
            busy.sample(used := process.cpu_times().user)
            wait_for(lambda: process.cpu_times().user > used + 1.0, "a second of the processor")
            busy.sample(process.cpu_times().user)
            assert busy.description().startswith("busy (")
        finally:
            spinning.kill()
