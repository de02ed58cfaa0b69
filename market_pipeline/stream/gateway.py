"""Spark's JVM as a child that lives and dies with this process.

PySpark's own launcher starts a shell that starts a JVM that starts the JVM, and a SIGKILL of Python leaves the last
one to find a closed pipe when it next looks. Here the JVM is started directly: one process, known by its pid, with the
kernel's promise (PR_SET_PDEATHSIG) that it is killed when its parent is gone.

What it is configured with is in a file that only we can read, as a command line can be read by everybody. Python and
Java call each other on ports of ours, with a token either way. Spark's own gateway listens on a port by chance and,
when it is given Python's port, forgets the token for its calls (py4j's ``PythonClient.copyWith``). It serves to start a
second one, which has both ports and the token from the first, and is closed.
"""

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from py4j.java_gateway import GatewayParameters, JavaGateway
from py4j.protocol import Py4JError
from pyspark.java_gateway import launch_gateway

from market_pipeline.layout import SparkPorts
from market_pipeline.local.jvm import joined, properties
from market_pipeline.local.ports import taken
from market_pipeline.local.private_files import write_private
from market_pipeline.local.pyspark_jars import spark_class_path
from market_pipeline.supervision.parent_death import die_with

START_TIMEOUT_S = 120.0
PROPERTIES_FILE = "--properties-file"

MODULE_OPTIONS = (
    "-XX:+IgnoreUnrecognizedVMOptions",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/java.lang.invoke=ALL-UNNAMED",
    "--add-opens=java.base/java.lang.reflect=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/java.net=ALL-UNNAMED",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent.atomic=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.cs=ALL-UNNAMED",
    "--add-opens=java.base/sun.security.action=ALL-UNNAMED",
    "--add-opens=java.base/sun.util.calendar=ALL-UNNAMED",
    "-Djdk.reflect.useDirectMethodHandle=false",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dio.netty.allocator.type=pooled",
    "-Dio.netty.handler.ssl.defaultEndpointVerificationAlgorithm=NONE",
)
"""What Spark 4.2 opens of the JDK (its JavaModuleOptions), less the vector module, which only MLlib would use."""


class GatewayError(Exception):
    """Spark's JVM did not come up; the message is one line."""


class Jvm:
    """A running JVM with a gateway to it.

    Attributes:
        process: the JVM itself; its death is the death of the session.
        gateway: for ``SparkContext(gateway=…)``.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", gateway: Any) -> None:
        self.process = process
        self.gateway = gateway

    def death(self, patience_s: float = 0.0) -> str | None:
        """How it died, or None while it lives; a call into it may fail a moment before it is known to be dead."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return f"Spark's JVM died with status {self.process.wait(patience_s)}"
        return None

    def ping(self) -> Callable[[], object]:
        """The smallest call into it: one request, one answer, and nothing of Spark."""
        system = self.gateway.jvm.java.lang.System
        return lambda: system.nanoTime()

    def kill(self) -> None:
        """End it at once; there is nothing in it that a checkpoint doesn't have."""
        self.process.kill()
        self.process.wait()


def start_jvm(
    java_home: Path,
    options: list[str],
    classpath: list[Path],
    configuration: Mapping[str, str],
    ports: SparkPorts,
    properties_at: Path,
) -> Jvm:
    """Start the JVM and connect to it. Call it from the main thread: the kernel's promise is bound to the thread.

    Args:
        java_home: of the Java to start.
        options: the JVM's own.
        classpath: jars besides Spark's.
        configuration: Spark's properties.
        ports: that it and the gateway listen on.
        properties_at: the file to write the properties into.

    Raises:
        GatewayError: it ended, did not answer within ``START_TIMEOUT_S``, or a port is taken.
    """
    _check(ports)
    write_private(properties_at, properties({**configuration, **_ports(ports)}.items()))
    command = [str(java_home / "bin" / "java"), *options, *MODULE_OPTIONS, "-cp", joined(spark_class_path(classpath))]
    command += ["org.apache.spark.deploy.SparkSubmit", PROPERTIES_FILE, str(properties_at), "--load-spark-defaults"]
    with tempfile.TemporaryDirectory(prefix="market-pipeline-") as folder:
        told = Path(folder) / "gateway"
        # Java takes the encoding of file names from the locale, and in the C locale knows ASCII only
        extra = {"_PYSPARK_DRIVER_CONN_INFO_PATH": str(told), "SPARK_CONNECT_MODE": "0", "LC_ALL": "C.UTF-8"}
        process = subprocess.Popen(
            [*command, "pyspark-shell"],
            stdin=subprocess.PIPE,
            env=os.environ | extra,
            process_group=0,  # a polite stop is sent to a whole group, and is for Python to take, which ends the JVM
            preexec_fn=die_with(os.getpid()),
        )
        _wait_for(told, process)
        with told.open("rb") as info:
            port = int.from_bytes(info.read(4), "big")
            secret = info.read(int.from_bytes(info.read(4), "big")).decode()
    try:
        return Jvm(process, _connect(port, secret, ports))
    except (Py4JError, OSError) as error:
        process.kill()
        process.wait()
        raise GatewayError(f"Spark's JVM can't be reached on port {ports.gateway}: {type(error).__name__}") from None


def _ports(ports: SparkPorts) -> dict[str, str]:
    return {
        "spark.driver.port": str(ports.driver),
        "spark.driver.blockManager.port": str(ports.blocks),
        "spark.port.maxRetries": "0",  # the next port is another's
    }


def _check(wanted: SparkPorts) -> None:
    names = ("Spark's driver", "Spark's blocks", "py4j", "py4j's callbacks")
    busy = taken(dict(zip(names, wanted.every(), strict=True)))
    if busy:
        raise GatewayError(f"{busy[0].sentence()}: end it, or choose another --port-base")


def _connect(port: int, secret: str, ports: SparkPorts) -> Any:
    first = JavaGateway(gateway_parameters=GatewayParameters(port=port, auth_token=secret))
    try:
        loopback = first.jvm.java.net.InetAddress.getLoopbackAddress()
        server = first.jvm.py4j.ClientServer.ClientServerBuilder().authToken(secret).javaAddress(loopback)
        server = server.javaPort(ports.gateway).pythonAddress(loopback).pythonPort(ports.callbacks).build()
        server.startServer()
        gateway = _gateway(ports.gateway, secret)
    finally:
        first.shutdown()
    # started here and not by PySpark, which would take a port by chance and ask for no token
    server = gateway.callback_server_parameters
    server.port, server.auth_token = ports.callbacks, secret
    server.daemonize = server.daemonize_connections = server.eager_load = True
    gateway.start_callback_server(server)
    return gateway


def _gateway(port: int, secret: str) -> Any:
    variables = {"PYSPARK_GATEWAY_PORT": str(port), "PYSPARK_GATEWAY_SECRET": secret, "PYSPARK_PIN_THREAD": "true"}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        return launch_gateway()  # type: ignore[no-untyped-call]
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _wait_for(told: Path, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not told.exists():
        if process.poll() is not None:
            raise GatewayError(
                f"Spark's JVM ended with status {process.returncode} before it was up (its log is above)"
            )
        if time.monotonic() > deadline:
            process.kill()
            raise GatewayError(f"Spark's JVM was not up after {START_TIMEOUT_S:.0f} s")
        time.sleep(0.05)
