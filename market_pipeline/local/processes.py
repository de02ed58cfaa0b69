"""The state of each program, from its supervisor, or without one from the locks that the programs hold."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from market_pipeline.local.programs import EVERY_NAME, names
from market_pipeline.local.supervisor_client import ProcessState, SupervisorAway, SupervisorClient
from market_pipeline.local.supervisor_log import History, read_histories
from market_pipeline.local.supervisord import NAME as SUPERVISOR
from market_pipeline.settings import Settings
from market_pipeline.supervision.heartbeat import Beat
from market_pipeline.supervision.lock import holder

STOPPED = "STOPPED"
"""On purpose: the supervisor's word, or without one that of the program's last heartbeat."""
DOWN = "DOWN"
"""It does not run, and no supervisor is there to say why."""
RUNNING = "RUNNING"
GONE = "GONE"
"""Another platform keeps it; it wrote a heartbeat once, and runs no more."""
NOT_SEEN = "NOT SEEN"
"""Another platform keeps it, and nothing of it can be seen from here."""
UNSUPERVISED = "UNSUPERVISED"
"""It runs, but its supervisor doesn't."""


@dataclass(frozen=True)
class ProcessStatus:
    """One program. ``beat_age_s`` is None for those that write no heartbeat; ``asleep`` are those that the system has
    put to sleep (SIGSTOP)."""

    pid: int | None
    state: str
    uptime_s: float | None
    restarts: int
    last_error: str | None
    rss_mb: float | None
    beat_age_s: float | None
    asleep: bool = False


def supervisor_states(settings: Settings) -> tuple[int | None, dict[str, ProcessState] | None]:
    """The supervisor's pid and what it says of its programs; None and None when it does not answer."""
    client = SupervisorClient(settings)
    try:
        return client.pid(), client.processes()
    except SupervisorAway:
        return None, None


def process_statuses(
    settings: Settings,
    states: Mapping[str, ProcessState] | None,
    beats: Mapping[str, Beat | None],
    now: float,
    *,
    memory: bool = True,
) -> dict[str, ProcessStatus]:
    """Every program, by name. ``memory`` takes the longest: every process of the machine is asked whose child it is."""
    if states is None and kept_elsewhere(settings):
        return {
            name: status_elsewhere(beats.get(name), holder(settings.paths.lock(name)), now) for name in names(settings)
        }
    histories = read_histories(settings) if states is not None else {}
    return {
        name: process_status(
            (states or {}).get(name),
            histories.get(name, History()),
            beats.get(name),
            None if states is not None else holder(settings.paths.lock(name)),
            now,
            memory=memory,
        )
        for name in states or names(settings)
    }


def kept_elsewhere(settings: Settings) -> bool:
    """Whether another platform keeps the services, such as containers: no server of ours is to run here."""
    return not (settings.embedded_kafka or settings.embedded_cassandra)


def anything_runs(settings: Settings) -> bool:
    """Whether the supervisor or any service of this data dir runs, by their locks: no server is asked."""
    return any(holder(settings.paths.lock(name)) is not None for name in (SUPERVISOR, *EVERY_NAME))


def status_elsewhere(beat: Beat | None, lock_pid: int | None, now: float) -> ProcessStatus:
    """A service that another platform keeps, by its heartbeat and its lock in the data dir that it shares with us.

    A pid of another container says nothing here, where it may be any process, so that the system is not asked.
    """
    runs = lock_pid is not None
    gone = NOT_SEEN if beat is None else (STOPPED if beat.stopped else GONE)
    return ProcessStatus(
        pid=lock_pid,
        state=RUNNING if runs else gone,
        uptime_s=round(max(0.0, now - beat.started_at), 1) if beat is not None and runs else None,
        restarts=0,
        last_error=None,
        rss_mb=None,
        beat_age_s=round(beat.age_s(now), 1) if beat is not None else None,
    )


def process_status(
    state: ProcessState | None,
    history: History,
    beat: Beat | None,
    lock_pid: int | None,
    now: float,
    *,
    memory: bool = True,
) -> ProcessStatus:
    """One program, from what the supervisor and its log say, or without a supervisor from who holds its lock."""
    pid = state.pid if state is not None else lock_pid
    said = state.state if state is not None else _unsupervised(pid, beat)
    process = _process(pid)
    started_at = state.started_at if state is not None else (process.create_time() if process else None)
    error = history.last_exit
    if error is None and state is not None and not state.is_up:
        error = state.error
    return ProcessStatus(
        pid=pid,
        state=said,
        uptime_s=round(max(0.0, now - started_at), 1) if started_at is not None and pid is not None else None,
        restarts=history.restarts,
        last_error=error,
        rss_mb=_rss_mb(process) if memory else None,
        beat_age_s=round(beat.age_s(now), 1) if beat is not None and pid is not None else None,
        asleep=process is not None and asleep(process.pid),
    )


def _unsupervised(pid: int | None, beat: Beat | None) -> str:
    if pid is not None:
        return UNSUPERVISED
    return STOPPED if beat is not None and beat.stopped else DOWN


def _process(pid: int | None) -> psutil.Process | None:
    try:
        return psutil.Process(pid) if pid else None
    except psutil.Error:
        return None


def holds(pid: int, lock: Path) -> bool:
    """Whether the process of this pid has the lock's file open. In a folder that containers share, the lock may be that
    of another one, and its pid here that of any process."""
    try:
        file = lock.stat()
        return any(os.path.samestat(file, Path(each.path).stat()) for each in psutil.Process(pid).open_files())
    except (psutil.Error, OSError):
        return False


def family_of(pid: int) -> list[psutil.Process]:
    """The process and all below it; empty when it is gone."""
    try:
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    except psutil.Error:
        return []


def lives(pid: int) -> bool:
    """Whether there is such a process, and it has not ended: one that nobody has waited for yet has."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def asleep(pid: int) -> bool:
    """Whether the system has put the process to sleep (SIGSTOP), so that it hears nothing."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False


def _rss_mb(process: psutil.Process | None) -> float | None:
    """Of the program and its children: PySpark's JVM is a child."""
    if process is None:
        return None
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return None
    total = 0
    for each in family:
        with contextlib.suppress(psutil.Error):  # it has ended since
            total += each.memory_info().rss
    return round(total / 1e6, 1) if total else None
