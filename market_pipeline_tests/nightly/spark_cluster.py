"""A Spark standalone cluster of this machine's processes: a master and a worker, started as in the containers."""

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pyspark

import market_pipeline
from market_pipeline.local.java import java_home
from market_pipeline.settings import LOOPBACK, Settings
from market_pipeline_tests.conftest import die_with_parent
from market_pipeline_tests.waiting import wait_for

DEPLOY = Path(market_pipeline.__file__).parent / "deploy"
STARTS_WITHIN_S = 400
EXECUTOR = "org.apache.spark.executor.CoarseGrainedExecutorBackend"


@dataclass(frozen=True)
class SparkCluster:
    """A running one.

    Attributes:
        url: for ``SPARK_MASTER``.
        secret: the file with ``spark.authenticate.secret``.
        web_port: of the master's page, which answers in JSON too.
        worker: the worker's process, whose children are the executors.
    """

    url: str
    secret: Path
    web_port: int
    worker: "subprocess.Popen[bytes]"

    def state(self) -> dict[str, Any]:
        """What the master says of its workers and applications."""
        with urllib.request.urlopen(f"http://{LOOPBACK}:{self.web_port}/json/", timeout=5) as answer:
            told: dict[str, Any] = json.load(answer)
            return told

    def has_workers(self) -> bool:
        try:
            return self.state()["aliveworkers"] > 0
        except (OSError, ValueError):  # its page listens before it has its contents
            return False

    def executors(self) -> list[int]:
        """The pids of the executors."""
        found = []
        for process in psutil.Process(self.worker.pid).children(recursive=True):
            try:
                found += [process.pid] if EXECUTOR in process.cmdline() else []
            except psutil.Error:
                continue
        return found


@contextmanager
def spark_cluster(folder: Path, first_port: int, cores: int) -> Iterator[SparkCluster]:
    """Start a master and a worker, and end them.

    Args:
        folder: for the secret, logs and the executors' files.
        first_port: of four that are free.
        cores: task slots of the worker.
    """
    folder.mkdir()
    secret = folder / "secret"
    environment = os.environ | {
        "JAVA_HOME": str(java_home(Settings.load())),
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "SPARK_CONF_DIR": str(DEPLOY / "spark"),
        "SPARK_AUTH_SECRET_FILE": str(secret),
        "SPARK_LOCAL_IP": LOOPBACK,
    }
    url = f"spark://{LOOPBACK}:{first_port}"
    with ExitStack() as running:

        def start(name: str, *arguments: str) -> "subprocess.Popen[bytes]":
            with (folder / f"{name}.log").open("wb") as log:
                process = subprocess.Popen(
                    [DEPLOY / "bin" / "spark-daemon", name, "--host", LOOPBACK, *arguments],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    preexec_fn=die_with_parent,
                )
            running.callback(_end, process)
            return process

        start("master", "--port", str(first_port), "--webui-port", str(first_port + 1))
        wait_for(secret.exists, "the master to make the secret", within_s=STARTS_WITHIN_S)
        work = ("--work-dir", str(folder / "work"), "--cores", str(cores), "--memory", "1g")
        ports = ("--port", str(first_port + 2), "--webui-port", str(first_port + 3))
        cluster = SparkCluster(url, secret, first_port + 1, start("worker", *ports, *work, url))
        wait_for(cluster.has_workers, "the worker to register with the master", within_s=STARTS_WITHIN_S)
        yield cluster


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()  # a worker ends its executors
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
