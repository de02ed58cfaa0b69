"""Spark's JVM: who can read what it is configured with, and who can call it."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from market_pipeline.layout import SparkPorts
from market_pipeline.local.java import java_home
from market_pipeline.settings import LOOPBACK, Settings
from market_pipeline.stream.gateway import GatewayError, Jvm, start_jvm

SECRET = "a-secret-of-spark"
TEST_JVM = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true"]


class Supplier:
    """What Java calls back into."""

    class Java:
        implements = ("java.util.function.Supplier",)

    def get(self) -> str:
        return "from Python"


@contextlib.contextmanager
def running(tmp_path: Path, ports: SparkPorts) -> Iterator[Jvm]:
    settings = Settings.load(data_dir=tmp_path)
    properties = {"spark.app.name": "é = ü", "spark.authenticate.secret": SECRET}
    jvm = start_jvm(java_home(settings), TEST_JVM, [], properties, ports, tmp_path / "spark.properties")
    try:
        yield jvm
    finally:
        jvm.gateway.shutdown_callback_server()
        jvm.kill()


@pytest.fixture
def spark_ports(free_port_base: Callable[[], int]) -> SparkPorts:
    return SparkPorts(free_port_base())


def answered(port: int, request: bytes) -> bytes:
    """What somebody without the token gets."""
    with socket.create_connection((LOOPBACK, port), timeout=10) as caller:
        caller.sendall(request)
        try:
            return caller.recv(1024)
        except ConnectionResetError:
            return b""


def test_only_who_has_the_token_is_heard_and_only_on_its_ports(tmp_path: Path, spark_ports: SparkPorts) -> None:
    with running(tmp_path, spark_ports) as jvm:
        supplier = Supplier()
        assert jvm.gateway.jvm.java.util.Optional.empty().orElseGet(supplier) == "from Python"

        system = b"c\nz:java.lang.System\ngetProperty\nsjava.version\ne\n"
        assert b"17" not in answered(spark_ports.gateway, system)
        (name,) = (name for name in jvm.gateway.gateway_property.pool.dict if name != "t")
        assert b"from Python" not in answered(spark_ports.callbacks, f"c\n{name}\nget\ne\n".encode())

        def listens() -> set[tuple[str, int]]:
            found = psutil.Process(jvm.process.pid).net_connections("tcp")
            return {tuple(each.laddr) for each in found if each.status == psutil.CONN_LISTEN}

        deadline = time.monotonic() + 10
        while listens() != {(LOOPBACK, spark_ports.gateway)}:  # Spark's own gateway closes
            assert time.monotonic() < deadline, listens()
            time.sleep(0.05)


def test_nobody_else_reads_what_it_is_configured_with(tmp_path: Path, spark_ports: SparkPorts) -> None:
    with running(tmp_path, spark_ports) as jvm:
        command = psutil.Process(jvm.process.pid).cmdline()
        assert "--conf" not in command
        assert not any(SECRET in argument for argument in command)
        assert (tmp_path / "spark.properties").stat().st_mode & 0o777 == 0o600
        have = jvm.gateway.jvm.java.lang.System.getProperty
        assert have("spark.authenticate.secret") == SECRET
        assert have("spark.app.name") == "é = ü"
        assert have("spark.driver.port") == str(spark_ports.driver)


@pytest.mark.parametrize("taken", ["driver", "blocks", "gateway", "callbacks"])
def test_a_port_that_is_taken_is_named_at_once(tmp_path: Path, spark_ports: SparkPorts, taken: str) -> None:
    port = getattr(spark_ports, taken)
    with (
        socket.create_server((LOOPBACK, port)),
        pytest.raises(GatewayError, match=rf"^port {port} .* is taken by .*: end it, or choose another --port-base$"),
        running(tmp_path, spark_ports),
    ):
        pass


def test_a_jvm_that_ends_at_once_is_told_in_one_line(tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    java.chmod(0o755)
    with pytest.raises(GatewayError, match="ended with status 3 before it was up"):
        start_jvm(tmp_path, [], [], {}, SparkPorts(20_000), tmp_path / "spark.properties")
