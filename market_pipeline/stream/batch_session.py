"""Spark for batches: the stream's configuration, with what a day of trades needs instead of a second of them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from pyspark import SparkContext
from pyspark.sql import SparkSession

from market_pipeline.layout import SparkPorts
from market_pipeline.local.class_archive import SPARK, class_archive
from market_pipeline.local.jars import classpath
from market_pipeline.local.java import java_home
from market_pipeline.local.jvm import LATE_OPTIMISATION
from market_pipeline.local.ports import is_free
from market_pipeline.mendable import Mendable
from market_pipeline.settings import LOOPBACK, Settings
from market_pipeline.stream.gateway import Jvm, start_jvm
from market_pipeline.stream.session import configuration, private_sockets, session_in
from market_pipeline.supervision.lock import AlreadyRunning, ProcessLock

LOCAL_MASTER = "local[2]"
"""More threads than this would only share the heap: sorts that don't fit into it go to disk."""


class NoPorts(Mendable):
    """As many batches run as there are ports for; one line."""


@dataclass(frozen=True)
class BatchSession:
    """A Spark session in a JVM of its own.

    Attributes:
        spark: the session.
        jvm: it dies with the thread that opened the session.
        lock: on its ports.
    """

    spark: SparkSession
    jvm: Jvm
    lock: ProcessLock

    def stop(self) -> None:
        """End the session and its JVM, so that this process can open another."""
        self.spark.stop()
        self.jvm.kill()
        SparkContext._gateway = SparkContext._jvm = None  # noqa: SLF001 - PySpark would call the dead one
        self.lock.release()


def batch_configuration(settings: Settings) -> dict[str, str]:
    """Spark's configuration for a session of a batch; memory and class path are the JVM's arguments.

    Raises:
        JarError: a jar is missing and can't be had.
    """
    local = settings.local_spark
    return configuration(settings) | {
        "spark.app.name": "market-pipeline batch",
        "spark.master": LOCAL_MASTER if local else settings.master,
        **({} if local else {"spark.jars": ",".join(map(str, classpath("spark")))}),
        "spark.local.dir": str(settings.paths.run / "spark"),
        "spark.sql.shuffle.partitions": "8",
        "spark.sql.adaptive.enabled": "true",
    }


def open_batch_session(settings: Settings, changes: Mapping[str, str]) -> BatchSession:
    """Start a JVM and a session in it. Call it from the thread that works with it.

    Args:
        settings: of the pipeline.
        changes: properties of Spark that are to be others than a batch's.

    Raises:
        NoPorts: as many batches run as there are ports for.
        GatewayError: the JVM did not start.
        JarError, NoJava: a jar or a Java 17 is missing.
    """
    use_java_of(settings)
    ports, lock = _claimed(settings)
    try:
        jars, java, name = classpath("spark"), java_home(settings), f"b{ports.driver - settings.ports.base}"
        given = {**batch_configuration(settings), **private_sockets(settings, name), **changes}
        options = [f"-Xmx{settings.spark_driver_memory_mb}m", *_java_options(), *class_archive(SPARK, java).options()]
        jvm = start_jvm(java, options, jars, given, ports, settings.paths.run / f"spark-{name}.properties")
        return BatchSession(session_in(jvm), jvm, lock)
    except BaseException:
        lock.release()
        raise


def _claimed(settings: Settings) -> tuple[SparkPorts, ProcessLock]:
    every = settings.ports.batches
    for ports in every:
        lock = ProcessLock(settings.paths.lock(f"spark-batch-{ports.driver}"))
        try:
            lock.acquire()
        except AlreadyRunning:
            continue
        if all(map(is_free, ports.every())):
            return ports, lock
        lock.release()
    raise NoPorts(
        f"all ports for Spark's batches ({every[0].driver} to {every[-1].callbacks}) are taken: "
        "wait until another batch has ended"
    )


def _java_options() -> list[str]:
    log_configuration = resources.files("market_pipeline.stream") / "log4j2.properties"
    return [
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        *LATE_OPTIMISATION,
        "-Duser.timezone=UTC",
        "-Djava.net.preferIPv4Stack=true",
        f"-Dlog4j2.configurationFile={log_configuration}",
    ]


def use_java_of(settings: Settings) -> None:
    """Make PySpark start our Java 17, whatever else is installed.

    Raises:
        NoJava: there is none; the message says where it was looked for.
    """
    os.environ["JAVA_HOME"] = str(java_home(settings))
    os.environ.setdefault("SPARK_LOCAL_IP", LOOPBACK)
    (settings.paths.run / "spark").mkdir(parents=True, exist_ok=True)
