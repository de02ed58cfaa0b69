"""The containers' health probes: each asks the service itself, in the fewest bytes, and starts in a few milliseconds.

    python -m market_pipeline.deploy.health kafka 127.0.0.1:9092
    python -m market_pipeline.deploy.health heartbeat /var/lib/market-pipeline/run/producer.heartbeat.json

A probe runs every few seconds for ever, so it loads no client library: the two protocols are spoken by hand.
"""

import http.client
import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from market_pipeline.escaping import for_terminal
from market_pipeline.layout import Paths
from market_pipeline.private_process import keep_private
from market_pipeline.supervision.heartbeat import read_heartbeat
from market_pipeline.supervision.log_lines import write_error
from market_pipeline.webserver import access_token

TIMEOUT_S = 4.0

API_VERSIONS, NO_CLIENT_ID = 18, -1
CORRELATION_ID = 7
"""Of our one request to Kafka: any number that it sends back."""

CQL_OPTIONS, CQL_SUPPORTED = 0x05, 0x06
CQL_REQUEST_V4, CQL_RESPONSE_V4 = 0x04, 0x84


class Unhealthy(Exception):
    """The service does not do what it is there for; one line that ``docker inspect`` shows."""


def kafka(address: str) -> str:
    """Kafka answers an ApiVersions request (version 0, of Kafka's protocol guide).

    Raises:
        Unhealthy: it answered something else.
        OSError: nobody answers.
    """
    request = struct.pack(">hhih", API_VERSIONS, 0, CORRELATION_ID, NO_CLIENT_ID)
    with _connect(address) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        _, correlation, error = struct.unpack(">iih", _exactly(connection, 10))
    if (correlation, error) != (CORRELATION_ID, 0):
        raise Unhealthy(f"Kafka answered request {correlation} with error {error}")
    return "answers"


def cassandra(address: str) -> str:
    """Cassandra answers OPTIONS with SUPPORTED (frames of the CQL binary protocol, version 4).

    Raises:
        Unhealthy: it answered something else.
        OSError: nobody answers.
    """
    with _connect(address) as connection:
        connection.sendall(struct.pack(">BBhBi", CQL_REQUEST_V4, 0, 0, CQL_OPTIONS, 0))
        version, _, _, opcode, _ = struct.unpack(">BBhBi", _exactly(connection, 9))
    if (version, opcode) != (CQL_RESPONSE_V4, CQL_SUPPORTED):
        raise Unhealthy(f"Cassandra answered with opcode {opcode:#x} of version {version:#x}")
    return "answers"


def listens(address: str) -> str:
    """Somebody accepts a connection there.

    Raises:
        OSError: nobody does.
    """
    _connect(address).close()
    return "listens"


def web(url: str) -> str:
    """A page of ``HOST:PORT/PATH`` is served.

    Raises:
        Unhealthy: with another status than 200.
        OSError: nobody answers.
    """
    return _get(url)


def dagster(address: str) -> str:
    """Dagster answers, behind its guard, to whoever has the token.

    Raises:
        Unhealthy: with another status than 200, or there is no token yet.
        TokenFileError: the token's file can't be used.
        OSError: nobody answers.
    """
    file = os.environ.get("MARKET_PIPELINE_DAGSTER_TOKEN_FILE")
    where = Path(file) if file else Paths(Path(os.environ["MARKET_PIPELINE_DATA_DIR"])).dagster_token
    token = access_token.read(where)
    if token is None:
        raise Unhealthy(f"there is no token in {where} yet")
    return _get(f"{address}/server_info", {"Authorization": f"Bearer {token}"})


def _get(url: str, headers: Mapping[str, str] | None = None) -> str:
    address, _, path = url.partition("/")
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
    try:
        connection.request("GET", f"/{path}", headers=headers or {})
        status = connection.getresponse().status
    finally:
        connection.close()
    if status != http.client.OK:
        raise Unhealthy(f"{url} answered {status}")
    return "serves"


def heartbeat(path: str, now: Callable[[], float] = time.time) -> str:
    """A program of ours wrote its heartbeat a moment ago.

    Raises:
        Unhealthy: there is none, or it is old.
    """
    beat = read_heartbeat(Path(path))
    if beat is None:
        raise Unhealthy(f"there is no heartbeat in {path}")
    at = now()
    if beat.is_stale(at):
        raise Unhealthy(f"the last heartbeat is {beat.age_s(at):.0f} s old")
    jvm = beat.detail.get("jvm")
    if isinstance(jvm, Mapping):
        raise Unhealthy(f"its JVM does not respond for {jvm.get('silent_s')} s: {jvm.get('doing')}")
    return f"{beat.service} beat {beat.age_s(at):.1f} s ago"


PROBES: Mapping[str, Callable[[str], str]] = {
    "kafka": kafka,
    "cassandra": cassandra,
    "listens": listens,
    "web": web,
    "dagster": dagster,
    "heartbeat": heartbeat,
}


def _connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    connection = socket.create_connection((host, int(port)), TIMEOUT_S)
    connection.settimeout(TIMEOUT_S)
    return connection


def _exactly(connection: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        part = connection.recv(count - len(received))
        if not part:
            raise Unhealthy("the connection was closed before the answer was whole")
        received += part
    return received


def main(arguments: Sequence[str]) -> int:
    keep_private()
    if len(arguments) != 2 or arguments[0] not in PROBES:
        write_error(f"usage: python -m market_pipeline.deploy.health {'|'.join(PROBES)} WHERE")
        return 2
    try:
        sys.stdout.write(for_terminal(PROBES[arguments[0]](arguments[1])) + "\n")
    except (Unhealthy, access_token.TokenFileError, OSError, http.client.HTTPException) as error:
        write_error(str(error) or type(error).__name__)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
