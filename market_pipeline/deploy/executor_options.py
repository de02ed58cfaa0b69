"""Lines for the image's ``spark-defaults.conf``, with which executors start as cheaply as the stream's driver does.

    python -m market_pipeline.deploy.executor_options >> spark-defaults.conf

They map Spark's classes from the archive that the image holds. Java uses it only where a class path begins with the one
that the archive was made with, and Spark's own begins with a folder: so the executors get that one first.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from market_pipeline.local.jars import JarError, classpath
from market_pipeline.local.java import NoJava, java_home
from market_pipeline.local.jvm import LATE_OPTIMISATION
from market_pipeline.settings import Settings, SettingsError
from market_pipeline.stream import class_archive
from market_pipeline.stream.gateway import class_path
from market_pipeline.supervision.log_lines import write_error


def executor_options(java: Path, jars: list[Path]) -> Mapping[str, str]:
    """The properties of Spark, by name.

    Args:
        java: the home of the executors' Java.
        jars: besides Spark's own.
    """
    return {
        "spark.executor.extraClassPath": class_path(jars),
        "spark.executor.extraJavaOptions": " ".join([*LATE_OPTIMISATION, *class_archive.options(java, jars)]),
    }


def main() -> int:
    try:
        java, jars = java_home(Settings.load()), classpath("spark")
    except (JarError, NoJava, SettingsError) as error:
        write_error(str(error))
        return 1
    if not class_archive.archive(java, jars).exists():
        write_error("there is no class archive: python -m market_pipeline.stream.class_archive makes it")
        return 1
    sys.stdout.writelines(f"{name} {value}\n" for name, value in executor_options(java, jars).items())
    return 0


if __name__ == "__main__":
    sys.exit(main())
