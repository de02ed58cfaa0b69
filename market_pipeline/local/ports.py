"""Which of a pipeline's ports are free, and who holds those that are not."""

import contextlib
import socket
from dataclasses import dataclass, fields
from pathlib import Path

import psutil

from market_pipeline.layout import Ports
from market_pipeline.settings import LOOPBACK, Settings

_LISTENING = "0A"
"""TCP's state, as Linux numbers it in /proc/net/tcp."""


@dataclass(frozen=True)
class TakenPort:
    """A port that another process listens on. ``holder`` is None where the system doesn't tell (another user's)."""

    name: str
    port: int
    holder: str | None

    def sentence(self) -> str:
        return f"port {self.port} ({self.name}) is taken by {self.holder or 'a process of another user'}"


def needed(settings: Settings) -> dict[str, int]:
    """The ports that this pipeline's own servers will listen on, by what they are for."""
    ports = settings.ports
    wanted = {
        "stream's driver": ports.stream.driver,
        "stream's blocks": ports.stream.blocks,
        "stream's py4j": ports.stream.gateway,
        "stream's callbacks": ports.stream.callbacks,
    }
    if settings.dagster:
        wanted["dagster-webserver"] = ports.webserver
    if settings.embedded_kafka:
        wanted |= {"kafka": ports.kafka, "kafka controller": ports.kafka_controller}
    if settings.embedded_cassandra:
        wanted |= {
            "cassandra": ports.cassandra,
            "cassandra storage": ports.cassandra_storage,
            "cassandra jmx": ports.cassandra_jmx,
            "cassandra jmx objects": ports.cassandra_jmx_rmi,
        }
    if settings.active_feed != "finnhub":
        wanted["feed-server"] = ports.feed
    return wanted


def all_of(base: int) -> list[int]:
    """Every port that a pipeline with this base may use."""
    ports = Ports(base)
    names = [name for name, value in vars(Ports).items() if isinstance(value, property)]
    assert [field.name for field in fields(Ports)] == ["base"]
    single = [value for name in names if isinstance(value := getattr(ports, name), int)]
    return single + [port for spark in (ports.stream, *ports.batches) for port in spark.every()]


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now. Connections of an earlier server that still linger don't count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def taken(wanted: dict[str, int]) -> list[TakenPort]:
    """Those of the ports that are not free, with who holds them."""
    busy = {name: port for name, port in wanted.items() if not is_free(port)}
    holders = _holders() if busy else {}
    return [TakenPort(name, port, holders.get(port)) for name, port in busy.items()]


def _holders() -> dict[int, str]:
    """What listens, or is connected from, each local port: 'name (pid N)'."""
    found: dict[int, str] = {}
    try:
        connections = psutil.net_connections("tcp")
    except (psutil.AccessDenied, OSError):
        return found
    # listeners last, so that they win over a connection from the same port
    for connection in sorted(connections, key=lambda each: each.status == psutil.CONN_LISTEN):
        if connection.laddr and connection.pid:
            found[connection.laddr.port] = _describe(connection.pid)
    return found


def _describe(pid: int) -> str:
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        return f"pid {pid}"


def listeners(port: int) -> set[int]:
    """The users whose processes listen on a TCP port of this machine; none where the system does not tell (Linux)."""
    users = set[int]()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    users.add(int(fields[7]))
    return users
