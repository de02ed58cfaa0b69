"""Stops the pipeline, in order, losing nothing; also when its supervisor hangs or is dead."""

import contextlib
import functools
import itertools
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psutil

from market_pipeline.local import secrets
from market_pipeline.local.processes import family_of, holds
from market_pipeline.local.programs import Program, every_program
from market_pipeline.local.supervisor_client import SupervisorAway, SupervisorClient
from market_pipeline.local.supervisord import CONFIGURATION, socket_path
from market_pipeline.local.supervisord import NAME as SUPERVISOR
from market_pipeline.local.supervisord import command as supervisor_command
from market_pipeline.settings import Settings
from market_pipeline.supervision.lock import holder

SUPERVISOR_ENDS_WITHIN_S = 20.0
KILLED_WITHIN_S = 5.0
POLL_S = 0.05


@dataclass(frozen=True)
class Stopped:
    """One program that was stopped: how long that took, and whether it had to be killed."""

    name: str
    pid: int
    seconds: float
    killed: bool

    def sentence(self) -> str:
        how = "did not end by itself and was killed" if self.killed else "ended"
        return f"{self.name} (pid {self.pid}) {how} after {self.seconds:.1f} s"


Told = Callable[[Stopped], None]


def bring_down(settings: Settings, told: Told = lambda _: None) -> list[Stopped]:
    """Stop everything that runs on this data dir and return what was stopped; empty when nothing ran.

    First what is supervised, through the supervisor, then the supervisor, then whatever still holds a lock.

    Args:
        settings: of the pipeline.
        told: called for each program as soon as it is gone.
    """
    done: list[Stopped] = []

    def tell(stopped: Stopped) -> None:
        done.append(stopped)
        told(stopped)

    supervisor = holder(settings.paths.lock(SUPERVISOR))
    if supervisor is not None:
        # one that hangs or is dying is killed below, and its programs are found by their locks
        with contextlib.suppress(SupervisorAway):
            _stop_supervised(settings, tell)
        _end_supervisor(settings, supervisor, tell)
    for stage in _stages(settings):
        _stop_leftovers(settings, stage, tell)
    _stop_beginners(settings, tell)
    socket_path(settings).unlink(missing_ok=True)
    secrets.forget(settings)
    settings.paths.dagster_token.unlink(missing_ok=True)
    return done


def _stages(settings: Settings) -> Iterator[list[Program]]:
    """All that may run, by the stage in which it is stopped.

    Whatever the settings: who says `down` need not know how the pipeline was started.
    """
    ordered = sorted(every_program(settings), key=lambda program: program.stop_stage)
    for _, group in itertools.groupby(ordered, key=lambda program: program.stop_stage):
        yield list(group)


def _stop_supervised(settings: Settings, tell: Told) -> None:
    client = SupervisorClient(settings)
    for stage in _stages(settings):
        states = client.processes()
        running = [program for program in stage if program.name in states]
        if not running:
            continue
        with ThreadPoolExecutor(len(running)) as pool:
            pids = [states[program.name].pid for program in running]
            list(pool.map(functools.partial(_stop_one, settings, tell), running, pids))


def _stop_one(settings: Settings, tell: Told, program: Program, pid: int | None) -> None:
    began = time.monotonic()
    SupervisorClient(settings).stop(program.name, program.stop_within_s)
    seconds = time.monotonic() - began
    if pid is not None:
        tell(Stopped(program.name, pid, seconds, killed=seconds >= program.stop_within_s))


def _end_supervisor(settings: Settings, pid: int, tell: Told) -> None:
    began = time.monotonic()
    lock = settings.paths.lock(SUPERVISOR)
    try:
        SupervisorClient(settings).shutdown()
        ended = _wait_for(lambda: holder(lock) is None, SUPERVISOR_ENDS_WITHIN_S)
    except SupervisorAway:
        ended = holder(lock) is None
    if not ended:
        _kill(pid)
        _wait_for(lambda: holder(lock) is None, KILLED_WITHIN_S)
        tell(Stopped(SUPERVISOR, pid, time.monotonic() - began, killed=True))


def _stop_leftovers(settings: Settings, stage: list[Program], tell: Told) -> None:
    """Stop programs that no supervisor keeps any more: each holds its lock, in which its pid stands. One of another
    container that shares the data dir is left alone."""
    locks = {program.name: settings.paths.lock(program.name) for program in stage}
    held = [(program, pid) for program in stage if (pid := holder(locks[program.name]))]
    left = [(program, pid) for program, pid in held if holds(pid, locks[program.name])]
    if not left:
        return
    with ThreadPoolExecutor(len(left)) as pool:
        for stopped in pool.map(lambda each: _stop_leftover(settings, *each), left):
            tell(stopped)


def _stop_leftover(settings: Settings, program: Program, pid: int) -> Stopped:
    began = time.monotonic()
    lock = settings.paths.lock(program.name)
    family = family_of(pid)
    for process in family[:1]:
        _quietly(process.terminate)
    ended = _wait_for(lambda: holder(lock) is None, program.stop_within_s)
    # children of one that was killed, or that didn't take them along, are ended too: nothing may write on
    for process in family:
        if not _dead(process):
            _quietly(process.kill)
    _wait_for(lambda: holder(lock) is None and all(map(_dead, family)), KILLED_WITHIN_S)
    return Stopped(program.name, pid, time.monotonic() - began, killed=not ended)


def _stop_beginners(settings: Settings, tell: Told) -> None:
    """Stop what a supervisor that died had only just started: a program holds no lock until it is loaded.

    Until it is one it is a copy of the supervisor, with its command line and without the variables of a program.
    """
    copy = supervisor_command(settings.paths.config / CONFIGURATION)
    ours = f"unix://{socket_path(settings)}"
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter():
        is_copy = _command(process) == copy  # looked at first: the program that it becomes then has the variables
        variables = _variables(process)
        if (is_copy or variables.get("SUPERVISOR_SERVER_URL") == ours) and process.pid not in spared:
            began = time.monotonic()
            _quietly(process.kill)
            _wait_for(functools.partial(_dead, process), KILLED_WITHIN_S)
            name = variables.get("SUPERVISOR_PROCESS_NAME", "a program")
            tell(Stopped(name, process.pid, time.monotonic() - began, killed=True))


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.Error, OSError):
        return []


def _variables(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.Error, OSError):  # another user's, or gone
        return {}


def _dead(process: psutil.Process) -> bool:
    """Gone, or a zombie that its new parent hasn't collected yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def _kill(pid: int) -> None:
    for process in family_of(pid)[:1]:
        _quietly(process.kill)


def _quietly(signal: Callable[[], None]) -> None:
    try:
        signal()
    except psutil.Error:
        return


def _wait_for(condition: Callable[[], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
