"""What was measured on, without what would tell whose machine it is."""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

import psutil

from market_pipeline.local.jars import locked

SERVERS = {"kafka": "kafka_2.13", "cassandra": "cassandra-all"}
PACKAGES = ("pyspark", "dagster", "confluent-kafka", "cassandra-driver")


def load() -> float:
    """The load average of the last minute."""
    return os.getloadavg()[0]


def description() -> dict[str, str]:
    """Processor, memory and versions."""
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    servers = {name: _version(name, artifact) for name, artifact in SERVERS.items()}
    return {
        "processor": f"{os.cpu_count()} × {found[1] if found else platform.machine()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "Python": platform.python_version(),
        **servers,
        **{name: version(name) for name in PACKAGES},
    }


def _version(jars: str, artifact: str) -> str:
    return next(jar.parts[2] for jar in locked(jars) if jar.parts[1] == artifact)
