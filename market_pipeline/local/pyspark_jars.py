"""The Java archives that PySpark ships, beside which ours are on every class path of Spark."""

from collections.abc import Iterable
from pathlib import Path

import pyspark

PYSPARK_JARS = Path(pyspark.__file__).parent / "jars"


def pyspark_jars() -> list[Path]:
    """Each of them."""
    return sorted(PYSPARK_JARS.glob("*.jar"))


def spark_class_path(jars: Iterable[Path]) -> tuple[Path, ...]:
    """Of a JVM with Spark: its own jars, then these. An archive of classes fits what begins with the same."""
    return (PYSPARK_JARS / "*", *jars)
