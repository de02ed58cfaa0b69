"""Talks to the supervisor: XML-RPC over its unix socket, with a time limit on every answer."""

import contextlib
import http.client
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from market_pipeline.local import unix_sockets
from market_pipeline.local.supervisord import socket_path
from market_pipeline.settings import Settings

ANSWER_WITHIN_S = 2.0
START_WITHIN_S = 15.0
"""It forks and executes before it answers, which a busy machine takes its time for."""

UP = frozenset({"STARTING", "RUNNING"})

SHUTTING_DOWN, BAD_NAME, NOT_RUNNING, ALREADY_STARTED = 6, 10, 70, 60
"""Faults of supervisor's XML-RPC interface."""


class SupervisorAway(Exception):
    """The supervisor does not answer, is ending, or refuses; the message says which."""


@dataclass(frozen=True)
class ProcessState:
    """What the supervisor says of one program. ``started_at`` is epoch seconds, of its last start; ``exit_status`` is
    None while it runs."""

    name: str
    state: str
    pid: int | None
    started_at: float | None
    error: str | None
    exit_status: int | None = None

    @property
    def is_up(self) -> bool:
        return self.state in UP


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, within_s: float) -> None:
        super().__init__("localhost")
        self._path = path
        self._within_s = within_s

    def connect(self) -> None:
        self.sock = unix_sockets.connect(self._path, self._within_s)


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path, within_s: float) -> None:
        super().__init__()
        self._path = path
        self._within_s = within_s

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        return _UnixConnection(self._path, self._within_s)


class SupervisorClient:
    """The supervisor of one pipeline. Cheap to make; each thread takes its own."""

    def __init__(self, settings: Settings) -> None:
        self._path = socket_path(settings)

    def _call(self, method: str, *arguments: object, within_s: float = ANSWER_WITHIN_S) -> Any:
        transport = _UnixTransport(self._path, within_s)
        with contextlib.closing(transport):
            server = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
            try:
                return getattr(server.supervisor, method)(*arguments)
            except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
                raise SupervisorAway(f"{type(error).__name__}: {error}") from None
            except xmlrpc.client.Fault as fault:
                if fault.faultCode == SHUTTING_DOWN:
                    raise SupervisorAway("it is ending") from None
                raise

    def pid(self) -> int:
        """The supervisor's own process.

        Raises:
            SupervisorAway: it does not answer. So do all methods here.
        """
        return int(self._call("getPID"))

    def processes(self) -> dict[str, ProcessState]:
        """Every program, by name."""
        return {info["name"]: state_of(info) for info in self._call("getAllProcessInfo")}

    def start(self, name: str) -> None:
        """Start a program; one that runs is left alone."""
        try:
            self._call("startProcess", name, False, within_s=START_WITHIN_S)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != ALREADY_STARTED:
                raise SupervisorAway(f"{name}: {fault.faultString}") from None

    def stop(self, name: str, within_s: float) -> None:
        """Stop a program and wait until it is gone; one that doesn't run is left alone.

        Args:
            name: the program.
            within_s: after which the supervisor has killed it at the latest.
        """
        try:
            self._call("stopProcess", name, True, within_s=within_s + 5)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in (NOT_RUNNING, BAD_NAME):
                raise SupervisorAway(f"{name}: {fault.faultString}") from None

    def shutdown(self) -> None:
        """End the supervisor; it stops what still runs first."""
        self._call("shutdown")


def state_of(info: dict[str, Any]) -> ProcessState:
    """A program's state from the answer to ``getProcessInfo``."""
    up = info["statename"] in UP
    return ProcessState(
        name=info["name"],
        state=info["statename"],
        pid=info["pid"] or None,
        started_at=float(info["start"]) if up and info["start"] else None,
        error=info["spawnerr"] or None,
        exit_status=None if up else info["exitstatus"],
    )
