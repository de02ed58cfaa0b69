"""The embedded Cassandra: one JVM, the real server from its Maven jars."""

import json
from importlib import resources
from pathlib import Path

from market_pipeline.local import jmx
from market_pipeline.local.class_archive import CASSANDRA, class_archive
from market_pipeline.local.jars import classpath
from market_pipeline.local.java import java_home
from market_pipeline.local.jvm import LATE_OPTIMISATION, check_path, command, joined, write_if_changed
from market_pipeline.settings import LOOPBACK, Settings
from market_pipeline.store.cluster import wait_for_cql


def cassandra_yaml(settings: Settings) -> str:
    """``cassandra.yaml`` for a single node: alone, it needs no address for other nodes; one for clients where
    ``server_host`` names it. The values are JSON, which is YAML too.

    Raises:
        SettingsError: other machines could reach it, and nobody said that they may.
    """
    home = settings.paths.cassandra
    seeds = f"{LOOPBACK}:{settings.ports.cassandra_storage}"  # the port belongs to it when it is not 7000
    unified = "org.apache.cassandra.db.compaction.UnifiedCompactionStrategy"
    values: dict[str, object] = {
        "cluster_name": "market",
        "num_tokens": 1,
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "endpoint_snitch": "SimpleSnitch",
        "seed_provider": [
            {"class_name": "org.apache.cassandra.locator.SimpleSeedProvider", "parameters": [{"seeds": seeds}]}
        ],
        "listen_address": LOOPBACK,
        **_client_addresses(settings),
        "storage_port": settings.ports.cassandra_storage,
        "native_transport_port": settings.ports.cassandra,
        "data_file_directories": [str(home / "data")],
        "commitlog_directory": str(home / "commitlog"),
        "saved_caches_directory": str(home / "saved_caches"),
        "hints_directory": str(home / "hints"),
        "cdc_raw_directory": str(home / "cdc"),
        # acknowledged is on disk: the stream commits what is acknowledged, and "periodic" forgets some of it in a crash
        "commitlog_sync": "batch",
        "commitlog_segment_size": "16MiB",
        "commitlog_total_space": "256MiB",
        # on a full disk the node ends and the supervisor starts it again, instead of living on and refusing writes
        "commit_failure_policy": "die",
        "memtable": {
            "configurations": {
                "skiplist": {"class_name": "SkipListMemtable"},
                "trie": {"class_name": "TrieMemtable"},
                "default": {"inherits": "trie"},
            }
        },
        "memtable_allocation_type": "offheap_objects",
        "memtable_heap_space": "128MiB",
        "memtable_offheap_space": "128MiB",
        "sstable": {"selected_format": "bti"},
        "storage_compatibility_mode": "NONE",
        "auto_snapshot": False,  # else every TRUNCATE and DROP leaves a snapshot behind
        "authenticator": "AllowAllAuthenticator",
        "authorizer": "AllowAllAuthorizer",
        "concurrent_reads": 8,
        "concurrent_writes": 16,
        "concurrent_compactors": 1,
        "compaction_throughput": "64MiB/s",
        "column_index_size": "16KiB",
        "uuid_sstable_identifiers_enabled": True,
        "default_compaction": {
            "class_name": unified,
            "parameters": {"scaling_parameters": "T4", "target_sstable_size": "64MiB"},
        },
        "dynamic_snitch": False,
        # a count of a whole table, and one of a symbol's busiest hour, are each one request
        "range_request_timeout": "300s",
        "read_request_timeout": "60s",
        "file_cache_size": "32MiB",
        "networking_cache_size": "32MiB",
    }
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in values.items())


def _client_addresses(settings: Settings) -> dict[str, object]:
    host = settings.listen_host("server_host")
    return {"rpc_address": host} if host == LOOPBACK else {"rpc_address": host, "broadcast_rpc_address": host}


LOGBACK = """\
<configuration scan="false">
  <property name="line" value="%date{yyyy-MM-dd'T'HH:mm:ss.SSS'Z', UTC} %-5level [%thread] %logger{0}:%line - %msg%n"/>
  <appender name="F" class="ch.qos.logback.core.rolling.RollingFileAppender">
    <file>${cassandra.logdir}/cassandra-server.log</file>
    <rollingPolicy class="ch.qos.logback.core.rolling.FixedWindowRollingPolicy">
      <fileNamePattern>${cassandra.logdir}/cassandra-server.%i.log</fileNamePattern>
      <minIndex>1</minIndex><maxIndex>3</maxIndex>
    </rollingPolicy>
    <triggeringPolicy class="ch.qos.logback.core.rolling.SizeBasedTriggeringPolicy">
      <maxFileSize>10MB</maxFileSize>
    </triggeringPolicy>
    <encoder><pattern>${line}</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="F"/></root>
</configuration>
"""

LOGBACK_CONSOLE = """\
<configuration scan="false">
  <property name="line" value="%date{yyyy-MM-dd'T'HH:mm:ss.SSS'Z', UTC} %-5level [%thread] %logger{0}:%line - %msg%n"/>
  <appender name="C" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>${line}</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="C"/></root>
</configuration>
"""


def logback(settings: Settings) -> str:
    """The logging configuration: a rolling file, or the console, which a container's platform keeps."""
    return LOGBACK if settings.server_log == "file" else LOGBACK_CONSOLE


def log_file(settings: Settings) -> Path:
    """The server's own log; what it prints besides goes to the supervisor's."""
    return settings.paths.logs / "cassandra-server.log"


def module_flags() -> list[str]:
    """The internals of Java 17 that Cassandra reaches into, by its own list less the compiler, which no JRE has."""
    text = resources.files("market_pipeline.local").joinpath("cassandra-modules.args").read_text(encoding="utf-8")
    return [word for line in text.splitlines() if not line.startswith("#") for word in line.split()]


def prepare(settings: Settings) -> None:
    """Write the configuration, make the directories, and renew the login of JMX.

    Raises:
        UnusablePath: the data dir has a character that Java cannot live with.
    """
    check_path(settings.data_dir)
    settings.paths.logs.mkdir(parents=True, exist_ok=True)
    (settings.paths.cassandra / "tmp").mkdir(parents=True, exist_ok=True)
    jmx.renew(settings)
    write_if_changed(settings.paths.config / "cassandra.yaml", cassandra_yaml(settings))
    write_if_changed(settings.paths.config / "cassandra-logback.xml", logback(settings))


def start_command(settings: Settings) -> list[str]:
    """The command of the server, to be run by a supervisor as it is.

    Raises:
        JarError: a jar cannot be downloaded.
        NoJava: there is no Java 17.
    """
    config, home = settings.paths.config, settings.paths.cassandra
    arguments = [
        "-Xms256m",
        f"-Xmx{settings.cassandra_heap_mb}m",
        "-Xss256k",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        *LATE_OPTIMISATION,
        *class_archive(CASSANDRA, java_home(settings)).options(),
        *module_flags(),
        "-Djava.net.preferIPv4Stack=true",
        "-Djava.awt.headless=true",
        f"-Djava.io.tmpdir={home / 'tmp'}",
        f"-Dcassandra.config={(config / 'cassandra.yaml').as_uri()}",
        f"-Dlogback.configurationFile={(config / 'cassandra-logback.xml').as_uri()}",
        f"-Dcassandra.logdir={settings.paths.logs}",
        f"-Dcassandra.storagedir={home}",
        "-Dcassandra-foreground=yes",
        # a single node has nobody to wait for
        "-Dcassandra.skip_wait_for_gossip_to_settle=0",
        "-Dcassandra.ring_delay_ms=1",
        "-Dcassandra.superuser_setup_delay_ms=0",
        "-Dcassandra.shutdown_announce_in_ms=0",
        *jmx.server_options(settings),
        "-cp",
        joined(classpath("cassandra")),
    ]
    return command(settings, config / "cassandra.args", arguments, ["org.apache.cassandra.service.CassandraDaemon"])


def wait_ready(settings: Settings, timeout_s: float) -> None:
    """Return when the node answers a query.

    Raises:
        StoreUnreachableError: it did not in time.
    """
    wait_for_cql(settings, timeout_s)
