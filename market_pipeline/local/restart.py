"""Stops one program politely, starts it again, and sees that the new process works."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from market_pipeline.local.logs import log_files, tail
from market_pipeline.local.preflight import StartError
from market_pipeline.local.processes import asleep, family_of
from market_pipeline.local.programs import BEATING, FINAL_EXITS, every_program
from market_pipeline.local.supervisor_client import ProcessState, SupervisorAway, SupervisorClient
from market_pipeline.local.supervisord import NAME as SUPERVISOR
from market_pipeline.settings import Settings
from market_pipeline.supervision.heartbeat import Beat, read_heartbeat
from market_pipeline.supervision.lock import holder

READY_WITHIN_S = 180.0
GIVEN_UP_AFTER_PROCESSES = 4
POLL_S = 0.1


@dataclass(frozen=True)
class Restarted:
    """A program that was restarted: its process before (None when it didn't run) and after, how long until the new one
    was ready, in seconds, and whether the one before hung, so that it had to be killed (SIGKILL)."""

    before: int | None
    after: int
    seconds: float
    killed: bool = False

    def __str__(self) -> str:
        hung = " (it hung and was killed)" if self.killed else ""
        return f"pid {self.before or 'none'}{hung} → {self.after}, ready after {self.seconds:.1f} s"


def restart(
    settings: Settings,
    name: str,
    clock: Callable[[], float] = time.monotonic,
    meanwhile: Callable[[], None] | None = None,
    until: Callable[[ProcessState, Beat | None, float], bool] | None = None,
) -> Restarted:
    """Restart a program that the supervisor has, and return when the new process is ready.

    Args:
        settings: of the pipeline.
        name: the program.
        clock: monotonic seconds.
        meanwhile: what is done while it is stopped. It is started again whatever comes of that.
        until: what the new process has to reach; that it is ``ready``, unless told.

    Raises:
        SupervisorAway: the supervisor does not answer.
        StartError: the new process ends, or isn't ready in time; with the end of its log.
    """
    client = SupervisorClient(settings)
    before = client.processes()[name].pid
    beat = read_heartbeat(settings.paths.heartbeat(name))
    stuck = before is not None and (hangs(name, before, beat, time.time()) or asleep(before))
    children = family_of(before)[1:] if before is not None else []
    killed = meanwhile is None and stuck
    if killed and before is not None:
        # it would not hear a polite signal, and all the time that it has to end in would pass; the supervisor starts it
        with contextlib.suppress(ProcessLookupError):
            os.kill(before, signal.SIGKILL)
        for child in children:  # the stream's JVM would write on
            with contextlib.suppress(psutil.Error):
                child.kill()
        began = clock()
    else:
        limits = {program.name: program.stop_within_s for program in every_program(settings)}
        try:
            client.stop(name, limits[name])
            if meanwhile is not None:
                meanwhile()
        finally:  # a program that is left stopped looks like somebody's wish
            began = clock()
            client.start(name)
    pids = set[int]()
    while True:
        state = _asked(settings, client, name)
        beat = read_heartbeat(settings.paths.heartbeat(name))
        seconds = clock() - began
        if state is not None:
            pids |= {state.pid} if state.pid is not None else set()
            # the supervisor may not have noticed yet that the one before was killed
            if state.pid not in (None, before) and (until or ready)(state, beat, time.time()):
                return Restarted(before, state.pid, seconds, killed)
            if (why := ended(state, len(pids))) is not None:
                raise _blame(settings, name, why)
        if seconds > READY_WITHIN_S:
            raise _blame(settings, name, f"it is not ready within {READY_WITHIN_S:.0f} s")
        time.sleep(POLL_S)


def hangs(name: str, pid: int, beat: Beat | None, now: float) -> bool:
    """Whether this very process beat once and does so no more, or says that its JVM does not respond."""
    if name not in BEATING or beat is None or beat.pid != pid:
        return False
    return beat.is_stale(now) or bool(beat.detail.get("jvm"))


def ready(state: ProcessState, beat: Beat | None, now: float) -> bool:
    """The supervisor counts it as started and, if it is one that beats, this very process did so a moment ago. (Of the
    others the supervisor's word is all there is.)"""
    if state.state != "RUNNING":
        return False
    return state.name not in BEATING or (beat is not None and beat.pid == state.pid and not beat.is_stale(now))


def works(state: ProcessState, beat: Beat | None, now: float) -> bool:
    """It is ready and, if it is the stream, has written trades: until then it starts Spark and its queries."""
    return ready(state, beat, now) and (state.name != "stream" or (beat is not None and bool(beat.detail.get("works"))))


def ended(state: ProcessState, processes: int) -> str | None:
    """Why waiting any longer is of no use; None when it is.

    Args:
        state: what the supervisor says of it.
        processes: how many were started meanwhile.
    """
    if state.state == "FATAL":
        return state.error or "it ends again and again"
    if state.state == "EXITED" and state.exit_status in FINAL_EXITS:
        return f"it ended with {state.exit_status}, which a new start cannot mend"
    if processes >= GIVEN_UP_AFTER_PROCESSES:
        return f"it ended {processes - 1} times"
    return None


def _asked(settings: Settings, client: SupervisorClient, name: str) -> ProcessState | None:
    """None when the supervisor is too busy to answer at once: it is asked again."""
    try:
        return client.processes().get(name)
    except SupervisorAway:
        if holder(settings.paths.lock(SUPERVISOR)) is None:
            raise
        return None


def _blame(settings: Settings, name: str, why: str) -> StartError:
    logs = [tail(file) for file in log_files(settings, name)]
    return StartError(f"{name} does not start: {why}", "\n".join(log for log in logs if log))
