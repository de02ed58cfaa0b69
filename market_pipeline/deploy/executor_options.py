"""Lines for the image's ``spark-defaults.conf``, with which executors start as cheaply as the stream's driver does.

    python -m market_pipeline.deploy.executor_options >> spark-defaults.conf

They map Spark's classes from the archive that the image holds. Java uses it only where a class path begins with the one
that the archive was made with, and Spark's own begins with a folder: so the executors get that one first.
"""

import sys
from collections.abc import Mapping

from market_pipeline.local.class_archive import SPARK, ClassArchive, class_archive
from market_pipeline.local.jars import JarError
from market_pipeline.local.java import NoJava, java_home
from market_pipeline.local.jvm import LATE_OPTIMISATION, joined
from market_pipeline.settings import Settings, SettingsError
from market_pipeline.supervision.log_lines import write_error


def executor_options(archive: ClassArchive) -> Mapping[str, str]:
    """The properties of Spark, by name."""
    return {
        "spark.executor.extraClassPath": joined(archive.class_path),
        "spark.executor.extraJavaOptions": " ".join([*LATE_OPTIMISATION, *archive.options()]),
    }


def main() -> int:
    try:
        archive = class_archive(SPARK, java_home(Settings.load()))
    except (JarError, NoJava, SettingsError) as error:
        write_error(str(error))
        return 1
    if not archive.file.exists():
        write_error("there is no class archive: python -m market_pipeline.local.class_archive spark makes it")
        return 1
    sys.stdout.writelines(f"{name} {value}\n" for name, value in executor_options(archive).items())
    return 0


if __name__ == "__main__":
    sys.exit(main())
