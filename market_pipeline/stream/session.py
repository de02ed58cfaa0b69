"""The Spark session: small, in UTC, with the Kafka source and the Cassandra connector on its class path."""

import logging
import shutil
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from market_pipeline.local import unix_sockets
from market_pipeline.local.class_archive import SPARK, class_archive
from market_pipeline.local.jars import classpath
from market_pipeline.local.java import java_home
from market_pipeline.local.jvm import LATE_OPTIMISATION
from market_pipeline.mendable import Mendable
from market_pipeline.settings import Settings
from market_pipeline.stream.gateway import Jvm, start_jvm
from market_pipeline.writer.compiled import writer_jar
from market_pipeline.writer.connection_file import write_connection_file

logger = logging.getLogger(__name__)


class SecretError(Mendable):
    """The secret of a Spark cluster can't be read; the message is one line."""


@dataclass(frozen=True)
class Session:
    """A Spark session, the JVM that it runs in, and the Java that this is."""

    spark: SparkSession
    jvm: Jvm
    java: Path


def configuration(settings: Settings) -> dict[str, str]:
    """Spark's configuration, for the stream and for batches alike; memory and class path are the JVM's arguments."""
    return {
        "spark.master": settings.master,
        "spark.app.name": "market-pipeline",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": settings.spark_driver_host,
        "spark.driver.bindAddress": settings.listen_host("spark_driver_host"),
        **_authentication(settings),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.adaptive.enabled": "false",
        # Hadoop gives each file of a checkpoint a mode of its own, whatever the umask of the process is
        "spark.hadoop.fs.permissions.umask-mode": "077",
        "spark.sql.streaming.noDataMicroBatches.enabled": "false",
        "spark.sql.streaming.minBatchesToRetain": "20",
        # the default one starts two readlinks and a chmod for every file of a checkpoint
        "spark.sql.streaming.checkpointFileManagerClass": (
            "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
        ),
        # how often a query without new data asks Kafka for the newest offset
        "spark.sql.streaming.pollingDelay": "50ms",
        "spark.sql.streaming.numRecentProgressUpdates": "5",
        "spark.cleaner.periodicGC.interval": "10min",
        **_cassandra(settings),
    }


def open_session(settings: Settings, scratch: Path) -> Session:
    """Start Spark's JVM and a session in it, and lay out what the writer needs.

    The caller ends it with ``session.jvm.kill()``.

    ``scratch`` is a folder of this program alone, emptied first: a JVM that was killed leaves its files behind.

    Raises:
        GatewayError: the JVM did not start.
        JarError, NoJava: a jar or a Java 17 is missing.
        CompileError: the writer could not be compiled.
    """
    java = java_home(settings)
    jars = [*classpath("spark"), writer_jar(java)]
    given = configuration(settings) | private_sockets(settings, "s")
    connection = write_connection_file(settings)
    given |= {"spark.plugins": "marketpipeline.ConnectAhead", "spark.marketpipeline.connectionFile": str(connection)}
    if not settings.local_spark:
        given["spark.jars"] = ",".join(map(str, jars))
        given["spark.files"] = str(connection)
    options = [*_java_options(settings, scratch), *class_archive(SPARK, java).options()]
    jvm = start_jvm(java, options, jars, given, settings.ports.stream, settings.paths.run / "spark-stream.properties")
    return Session(session_in(jvm), jvm, java)


def session_in(jvm: Jvm) -> SparkSession:
    """A session with the configuration that the JVM was started with."""
    return SparkSession(SparkContext(gateway=jvm.gateway, conf=SparkConf(_jvm=jvm.gateway.jvm)))


def private_sockets(settings: Settings, name: str) -> dict[str, str]:
    """Makes PySpark hand data to the JVM and back over Unix sockets, instead of over TCP ports by chance. Nothing for a
    cluster: the machines of its executors have no such folder.

    Args:
        settings: of the pipeline.
        name: of the folder, which is for one JVM alone.

    Raises:
        UnsafeFolder: the folder for sockets is not ours alone.
    """
    if not settings.local_spark:
        return {}
    prefix = "spark.python.unix.domain.socket"
    return {f"{prefix}.enabled": "true", f"{prefix}.dir": str(unix_sockets.emptied(settings, name))}


def _java_options(settings: Settings, scratch: Path) -> list[str]:
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True, exist_ok=True)
    log_configuration = Path(str(resources.files("market_pipeline.stream") / "log4j2.properties"))
    return [
        f"-Xmx{settings.spark_driver_memory_mb}m",
        "-Xms128m",
        "-XX:+UseSerialGC",
        *LATE_OPTIMISATION,
        "-XX:MaxMetaspaceSize=256m",
        "-XX:ReservedCodeCacheSize=96m",
        "-XX:MaxDirectMemorySize=128m",
        "-XX:+ExitOnOutOfMemoryError",
        "-Duser.timezone=UTC",
        "-Djava.net.preferIPv4Stack=true",
        f"-Djava.io.tmpdir={scratch}",
        f"-Dlog4j2.configurationFile={log_configuration}",
    ]


def _authentication(settings: Settings) -> dict[str, str]:
    """Who calls the driver must know a secret: within one process Spark makes it, a cluster has one of its own.

    Raises:
        SecretError: the file with the cluster's secret can't be read.
    """
    if settings.local_spark:
        return {"spark.authenticate": "true"}
    if settings.spark_auth_secret_file is None:
        return {}
    try:
        secret = settings.spark_auth_secret_file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        secret, why = "", getattr(error, "strerror", None) or "no text"
    else:
        why = "it is empty"
    if not secret:
        raise SecretError(
            f"Spark's secret can't be read from {settings.spark_auth_secret_file} ({why}): write the cluster's "
            "spark.authenticate.secret into it, or unset MARKET_PIPELINE_SPARK_AUTH_SECRET_FILE"
        )
    return {"spark.authenticate": "true", "spark.authenticate.secret": secret}


def _cassandra(settings: Settings) -> dict[str, str]:
    prefix = "spark.cassandra"
    return {
        f"{prefix}.connection.host": ",".join(settings.contact_points),
        f"{prefix}.connection.port": str(settings.cql_port),
        f"{prefix}.connection.localDC": settings.cassandra_local_dc,
        f"{prefix}.connection.reconnectionDelayMS.min": "500",
        f"{prefix}.connection.reconnectionDelayMS.max": "2000",
        f"{prefix}.output.consistency.level": settings.cassandra_consistency,
        f"{prefix}.output.ignoreNulls": "true",
    }
