"""The embedded Kafka: one JVM that is broker and controller (KRaft), the real server from its Maven jars."""

import base64
import logging
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

from market_pipeline.broker.topics import wait_for_kafka
from market_pipeline.endpoints import is_loopback
from market_pipeline.local.class_archive import KAFKA, class_archive
from market_pipeline.local.jars import classpath
from market_pipeline.local.java import java_home
from market_pipeline.local.jvm import LATE_OPTIMISATION, check_path, command, joined, properties, write_if_changed
from market_pipeline.private_process import in_container
from market_pipeline.settings import LOOPBACK, Settings

logger = logging.getLogger(__name__)

EVERY_ADDRESS = "0.0.0.0"
HEAP_MB = 320
FORMAT_TIMEOUT_S = 120


class KafkaError(Exception):
    """The embedded Kafka cannot be prepared; the message is one line and names the log to read."""


def server_properties(settings: Settings, *, contained: bool = False) -> str:
    """``server.properties``. Sized for one machine: what Kafka keeps for itself is small and has one replica.

    Args:
        settings: its address, data dir and retention.
        contained: it has a container to itself, whose own tools reach it as ``localhost`` as well.

    Raises:
        SettingsError: other machines could reach it, and nobody said that they may.
    """
    port = settings.ports.kafka
    controller = f"{LOOPBACK}:{settings.ports.kafka_controller}"
    host = settings.listen_host("server_host")
    if contained and not is_loopback(host):
        host = EVERY_ADDRESS  # Kafka has one listener a port
    return properties(
        [
            ("process.roles", "broker,controller"),
            ("node.id", "1"),
            ("controller.quorum.bootstrap.servers", controller),
            ("listeners", f"PLAINTEXT://{host}:{port},CONTROLLER://{controller}"),
            ("advertised.listeners", f"PLAINTEXT://{settings.server_host}:{port}"),
            ("controller.listener.names", "CONTROLLER"),
            ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
            ("inter.broker.listener.name", "PLAINTEXT"),
            ("log.dirs", str(settings.paths.kafka / "data")),
            ("num.partitions", str(settings.kafka_partitions)),
            ("log.retention.hours", str(settings.kafka_retention_hours)),
            ("auto.create.topics.enable", "false"),
            ("group.initial.rebalance.delay.ms", "0"),
            ("offsets.topic.replication.factor", "1"),
            ("offsets.topic.num.partitions", "4"),
            ("transaction.state.log.replication.factor", "1"),
            ("transaction.state.log.min.isr", "1"),
            ("transaction.state.log.num.partitions", "4"),
            ("share.coordinator.state.topic.replication.factor", "1"),
            ("share.coordinator.state.topic.min.isr", "1"),
            ("num.network.threads", "2"),
            ("num.io.threads", "4"),
            ("background.threads", "4"),
            ("num.recovery.threads.per.data.dir", "2"),
            # the default, 128 MiB, is taken from the heap at once and serves topics that we don't have
            ("log.cleaner.dedupe.buffer.size", str(8 * 1024 * 1024)),
        ]
    )


LOG4J2 = """\
status=warn
appender.f.type=RollingFile
appender.f.name=F
appender.f.fileName=${sys:kafka.logs.dir}/kafka-server.log
appender.f.filePattern=${sys:kafka.logs.dir}/kafka-server.log.%i
appender.f.layout.type=PatternLayout
appender.f.layout.pattern=%d{yyyy-MM-dd'T'HH:mm:ss.SSS'Z'}{UTC} %p %c{1}: %m%n
appender.f.policies.type=Policies
appender.f.policies.size.type=SizeBasedTriggeringPolicy
appender.f.policies.size.size=10MB
appender.f.strategy.type=DefaultRolloverStrategy
appender.f.strategy.max=3
rootLogger.level=info
rootLogger.appenderRef.f.ref=F
"""

LOG4J2_CONSOLE = """\
status=warn
appender.c.type=Console
appender.c.name=C
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=%d{yyyy-MM-dd'T'HH:mm:ss.SSS'Z'}{UTC} %p %c{1}: %m%n
rootLogger.level=info
rootLogger.appenderRef.c.ref=C
"""


def log4j2(settings: Settings) -> str:
    """The logging configuration: a rolling file, or the console, which a container's platform keeps."""
    return LOG4J2 if settings.server_log == "file" else LOG4J2_CONSOLE


def log_file(settings: Settings) -> Path:
    """The server's own log; what it prints besides goes to the supervisor's."""
    return settings.paths.logs / "kafka-server.log"


def prepare(settings: Settings) -> None:
    """Write the configuration and, once, format the storage.

    Raises:
        KafkaError: the storage could not be formatted.
        UnusablePath: the data dir has a character that Kafka cannot live with.
        JarError: a jar cannot be downloaded.
        NoJava: there is no Java 17.
    """
    check_path(settings.data_dir)
    settings.paths.logs.mkdir(parents=True, exist_ok=True)
    (settings.paths.kafka / "data").mkdir(parents=True, exist_ok=True)
    write_if_changed(_server_properties(settings), server_properties(settings, contained=in_container()))
    write_if_changed(settings.paths.config / "kafka-log4j2.properties", log4j2(settings))
    if not (settings.paths.kafka / "data" / "meta.properties").exists():
        _format(settings)


def start_command(settings: Settings) -> list[str]:
    """The command of the server, to be run by a supervisor as it is."""
    flags = [f"-Xmx{HEAP_MB}m", "-Xms128m", "-XX:+ExitOnOutOfMemoryError", *LATE_OPTIMISATION]
    flags += class_archive(KAFKA, java_home(settings)).options()
    return _java(settings, "kafka.args", flags, ["kafka.Kafka", str(_server_properties(settings))])


def wait_ready(settings: Settings, timeout_s: float) -> None:
    """Return when the broker answers a metadata request.

    Raises:
        BrokerUnreachableError: it did not in time.
    """
    wait_for_kafka(settings, timeout_s)


def _server_properties(settings: Settings) -> Path:
    return settings.paths.config / "kafka-server.properties"


def _java(settings: Settings, arguments_file: str, flags: list[str], main: list[str]) -> list[str]:
    arguments = [
        *flags,
        "-XX:+UseSerialGC",
        "-Djava.awt.headless=true",
        "-Djava.net.preferIPv4Stack=true",
        f"-Dkafka.logs.dir={settings.paths.logs}",
        f"-Dlog4j2.configurationFile={(settings.paths.config / 'kafka-log4j2.properties').as_uri()}",
        "-cp",
        joined(classpath("kafka")),
    ]
    return command(settings, settings.paths.config / arguments_file, arguments, main)


def new_cluster_id(new_uuid: Callable[[], uuid.UUID] = uuid.uuid4) -> str:
    """A random id as Kafka writes them: like Kafka, none that begins with a dash, to be read as an option."""
    while True:
        cluster_id = base64.urlsafe_b64encode(new_uuid().bytes).decode().rstrip("=")
        if not cluster_id.startswith("-"):
            return cluster_id


def _format(settings: Settings) -> None:
    cluster_id = new_cluster_id()
    tool = ["kafka.tools.StorageTool", "format", "--standalone", "-t", cluster_id, "-c"]
    full = _java(
        settings,
        "kafka-format.args",
        ["-Xmx128m", "-XX:TieredStopAtLevel=1"],
        [*tool, str(_server_properties(settings))],
    )
    try:
        done = subprocess.run(full, capture_output=True, text=True, timeout=FORMAT_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise KafkaError(f"formatting Kafka's storage took more than {FORMAT_TIMEOUT_S} s: is the disk slow?") from None
    if done.returncode != 0:
        # the first line is the message, the others are Java's stack; Java tells before it what JDK_JAVA_OPTIONS holds
        lines = (done.stderr or done.stdout).strip().splitlines()
        said = next((line for line in lines if not line.startswith("NOTE: Picked up")), "no message")
        raise KafkaError(f"Kafka's storage could not be formatted: {said}")
    logger.info("formatted Kafka's storage, cluster id %s", cluster_id)
