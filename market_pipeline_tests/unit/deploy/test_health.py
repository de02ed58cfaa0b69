"""The health probes against small servers that answer rightly, wrongly, or not at all."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from market_pipeline.deploy import health
from market_pipeline.layout import Paths
from market_pipeline.settings import LOOPBACK
from market_pipeline.webserver import access_token


@contextmanager
def server(reply: Callable[[bytes], bytes]) -> Iterator[str]:
    """Listens once, hands what it reads to ``reply``, sends the answer and hangs up."""
    with socket.create_server((LOOPBACK, 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(reply(connection.recv(4096)))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"{LOOPBACK}:{listener.getsockname()[1]}"
        thread.join(5)


def test_kafka_that_answers_is_healthy() -> None:
    asked = []

    def reply(request: bytes) -> bytes:
        asked.append(request)
        return struct.pack(">iihi", 10, 7, 0, 0)

    with server(reply) as address:
        assert health.kafka(address) == "answers"
    # length, ApiVersions version 0, correlation id, no client id
    assert asked == [struct.pack(">ihhih", 10, 18, 0, 7, -1)]


def test_kafka_that_answers_with_an_error_is_not() -> None:
    with server(lambda _: struct.pack(">iihi", 10, 7, 35, 0)) as address, pytest.raises(health.Unhealthy, match="35"):
        health.kafka(address)


def test_cassandra_that_answers_is_healthy() -> None:
    asked = []

    def reply(request: bytes) -> bytes:
        asked.append(request)
        return struct.pack(">BBhBi", 0x84, 0, 0, 0x06, 0)

    with server(reply) as address:
        assert health.cassandra(address) == "answers"
    assert asked == [bytes([4, 0, 0, 0, 5, 0, 0, 0, 0])]


def test_cassandra_that_answers_with_an_error_is_not() -> None:
    error = struct.pack(">BBhBi", 0x84, 0, 0, 0x00, 0)
    with server(lambda _: error) as address, pytest.raises(health.Unhealthy, match="opcode 0x0"):
        health.cassandra(address)


@pytest.mark.parametrize("probe", [health.kafka, health.cassandra])
def test_an_answer_that_breaks_off_is_unhealthy(probe: Callable[[str], str]) -> None:
    with server(lambda _: b"\x00\x00") as address, pytest.raises(health.Unhealthy, match="closed"):
        probe(address)


def test_a_page_that_is_served_is_healthy() -> None:
    asked = []

    def reply(request: bytes) -> bytes:
        asked.append(request.split(b"\r\n")[0])
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

    with server(reply) as address:
        assert health.web(f"{address}/json/") == "serves"
    assert asked == [b"GET /json/ HTTP/1.1"]


def test_a_page_with_an_error_is_not() -> None:
    failing = b"HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n"
    with server(lambda _: failing) as address, pytest.raises(health.Unhealthy, match="503"):
        health.web(f"{address}/")


def test_dagster_that_takes_the_token_is_healthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def reply(request: bytes) -> bytes:
        asked.append(request.decode())
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

    monkeypatch.setenv("MARKET_PIPELINE_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("MARKET_PIPELINE_DAGSTER_TOKEN_FILE", raising=False)
    with server(reply) as address:
        with pytest.raises(health.Unhealthy, match="no token"):
            health.dagster(address)
        token = access_token.renew(Paths(tmp_path).dagster_token)
        assert health.dagster(address) == "serves"
    assert asked[0].startswith("GET /server_info HTTP/1.1\r\n")
    assert f"\r\nAuthorization: Bearer {token}\r\n" in asked[0]
    named = tmp_path / "named"
    monkeypatch.setenv("MARKET_PIPELINE_DAGSTER_TOKEN_FILE", str(named))
    access_token.renew(named)
    with server(reply) as address:
        assert health.dagster(address) == "serves"
    assert token not in asked[1]


def test_dagster_that_refuses_is_not_healthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "token"
    monkeypatch.setenv("MARKET_PIPELINE_DAGSTER_TOKEN_FILE", str(file))
    access_token.renew(file)
    refusing = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
    with server(lambda _: refusing) as address, pytest.raises(health.Unhealthy, match="401"):
        health.dagster(address)
    file.chmod(0o644)
    assert health.main(["dagster", "127.0.0.1:1"]) == 1
    assert "chmod 600" in capsys.readouterr().err


def beat(path: Path, at: float, **detail: object) -> Path:
    path.write_text(json.dumps({"service": "producer", "pid": 7, "started_at": at, "beat_at": at, "detail": detail}))
    return path


def test_a_fresh_heartbeat_is_healthy(tmp_path: Path) -> None:
    path = beat(tmp_path / "producer.heartbeat.json", at=1000.0)
    assert health.heartbeat(str(path), now=lambda: 1002.0) == "producer beat 2.0 s ago"


def test_an_old_heartbeat_is_not(tmp_path: Path) -> None:
    path = beat(tmp_path / "producer.heartbeat.json", at=1000.0)
    with pytest.raises(health.Unhealthy, match="60 s old"):
        health.heartbeat(str(path), now=lambda: 1060.0)


def test_a_stream_whose_jvm_does_not_respond_is_not(tmp_path: Path) -> None:
    jvm = {"pid": 43, "silent_s": 6.0, "doing": "stopped by a signal"}
    path = beat(tmp_path / "stream.heartbeat.json", at=1000.0, jvm=jvm)
    with pytest.raises(health.Unhealthy, match=r"its JVM does not respond for 6\.0 s: stopped by a signal"):
        health.heartbeat(str(path), now=lambda: 1001.0)


def test_no_heartbeat_is_not(tmp_path: Path) -> None:
    with pytest.raises(health.Unhealthy, match="no heartbeat"):
        health.heartbeat(str(tmp_path / "producer.heartbeat.json"))


def test_the_command_says_why_and_exits_with_1(refusing_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert health.main(["listens", f"{LOOPBACK}:{refusing_port}"]) == 1
    assert "refused" in capsys.readouterr().err


def test_the_command_exits_with_0_when_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        assert health.main(["listens", f"{LOOPBACK}:{listener.getsockname()[1]}"]) == 0
    assert capsys.readouterr().out == "listens\n"


def test_an_unknown_probe_shows_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert health.main(["zookeeper", "somewhere:2181"]) == 2
    assert "usage" in capsys.readouterr().err
