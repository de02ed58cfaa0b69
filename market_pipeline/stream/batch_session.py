"""Spark for batches: the stream's configuration, with what a day of trades needs instead of a second of them."""

import os
from importlib import resources

from market_pipeline.local.jars import classpath
from market_pipeline.local.java import java_home
from market_pipeline.local.jvm import LATE_OPTIMISATION
from market_pipeline.settings import LOOPBACK, Settings
from market_pipeline.stream.session import configuration

LOCAL_MASTER = "local[2]"
"""More threads than this would only share the heap: sorts that don't fit into it go to disk."""


def batch_configuration(settings: Settings) -> dict[str, str]:
    """Spark's configuration for a session of a batch's own JVM.

    Raises:
        JarError: a jar is missing and can't be had.
    """
    local = settings.local_spark
    jars = [str(path) for path in classpath("spark")]
    return configuration(settings) | {
        "spark.app.name": "market-pipeline batch",
        "spark.master": LOCAL_MASTER if local else settings.master,
        "spark.driver.memory": f"{settings.spark_driver_memory_mb}m",
        "spark.driver.extraClassPath": os.pathsep.join(jars),
        **({} if local else {"spark.jars": ",".join(jars)}),
        "spark.driver.extraJavaOptions": " ".join(_java_options()),
        "spark.local.dir": str(settings.paths.run / "spark"),
        "spark.sql.shuffle.partitions": "8",
        "spark.sql.adaptive.enabled": "true",
    }


def _java_options() -> list[str]:
    log_configuration = resources.files("market_pipeline.stream") / "log4j2.properties"
    return [
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        *LATE_OPTIMISATION,
        "-Duser.timezone=UTC",
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
