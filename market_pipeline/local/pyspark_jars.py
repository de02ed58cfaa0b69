"""The Java archives that PySpark ships, beside which ours are on every class path of Spark."""

from pathlib import Path

import pyspark

PYSPARK_JARS = Path(pyspark.__file__).parent / "jars"


def pyspark_jars() -> list[Path]:
    """Each of them."""
    return sorted(PYSPARK_JARS.glob("*.jar"))
