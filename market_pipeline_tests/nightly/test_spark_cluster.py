"""The stream on a Spark standalone cluster that asks for a secret: it flows, survives its executor, and says what it
lacks."""

import os
import signal
import stat
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from market_pipeline.settings import LOOPBACK
from market_pipeline.store.cluster import STORE_ERRORS
from market_pipeline_tests import reaper
from market_pipeline_tests.nightly.spark_cluster import SparkCluster, spark_cluster
from market_pipeline_tests.running import RunningPipeline
from market_pipeline_tests.waiting import wait_for

pytestmark = [pytest.mark.real_servers, pytest.mark.nightly, pytest.mark.timeout(1_800)]

STARTS_WITHIN_S, FLOWS_WITHIN_S = 1_200, 400
"""An executor is one more JVM that starts and compiles beside four others."""
ENOUGH, TOO_FEW = 8, 1
TABLES = ("trades_silver", "latest_prices", "ohlcv_1m")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, free_port_base: Callable[[], int]) -> Iterator[SparkCluster]:
    with spark_cluster(tmp_path_factory.mktemp("spark") / "cluster", free_port_base(), ENOUGH) as running:
        yield running


@pytest.fixture(scope="module")
def streaming(
    cluster: SparkCluster, tmp_path_factory: pytest.TempPathFactory, free_port_base: Callable[[], int]
) -> Iterator[RunningPipeline]:
    pipeline = RunningPipeline(tmp_path_factory.mktemp("pipeline") / "data", free_port_base())
    use(pipeline, cluster)
    try:
        reaper.started(pipeline.settings.data_dir)
        pipeline.run("up", "--detach", "--no-dagster", "--feed", "simulator", timeout_s=STARTS_WITHIN_S)
        yield pipeline
    finally:
        pipeline.stop()


def use(pipeline: RunningPipeline, cluster: SparkCluster) -> None:
    pipeline.environment |= {
        "SPARK_MASTER": cluster.url,
        "MARKET_PIPELINE_SPARK_AUTH_SECRET_FILE": str(cluster.secret),
    }


def newest_received(pipeline: RunningPipeline) -> float:
    """When the newest trade that can be queried was received, epoch seconds; 0.0 while nothing is told."""
    told = pipeline.status()
    age_s = told["stream"]["newest_event_age_s"]
    return 0.0 if age_s is None else float(told["at"]) - float(age_s)


def has_rows(pipeline: RunningPipeline, table: str) -> bool:
    try:
        return bool(pipeline.rows(f"SELECT symbol FROM market_data.{table} LIMIT 1"))
    except STORE_ERRORS:  # the cores are the executor's
        return False


def executor_wrote(pipeline: RunningPipeline) -> int:
    """How many trades the writers on the executors wrote: Spark brings their figures to the driver with each commit."""
    return int(pipeline.status()["stream"]["writer"].get("trades", 0))


def test_trades_flow_into_every_table(streaming: RunningPipeline, cluster: SparkCluster) -> None:
    for table in TABLES:
        wait_for(partial(has_rows, streaming, table), f"rows in {table}", within_s=FLOWS_WITHIN_S)
    wait_for(lambda: executor_wrote(streaming), "the executors' figures", within_s=FLOWS_WITHIN_S)
    assert len(cluster.executors()) == 1


def test_doctor_and_status_name_the_master(streaming: RunningPipeline, cluster: SparkCluster) -> None:
    assert streaming.status()["stream"]["master"] == cluster.url
    assert cluster.url in streaming.run("status").stdout
    (line,) = (line for line in streaming.run("doctor", check=False).stdout.splitlines() if cluster.url in line)
    assert "ok" in line


def test_checkpoints_are_ours_alone(streaming: RunningPipeline) -> None:
    wait_for(lambda: any(files(streaming, "commits")), "a commit", within_s=FLOWS_WITHIN_S)
    open_to_others = [file for file in files(streaming, "") if stat.S_IMODE(file.stat().st_mode) & 0o077]
    assert open_to_others == []


def files(pipeline: RunningPipeline, below: str) -> list[Path]:
    found = pipeline.settings.paths.checkpoints.rglob("*")
    return [file for file in found if file.is_file() and below in (*file.parts, "") and not file.name.endswith(".tmp")]


def test_a_killed_executor_costs_nothing(
    streaming: RunningPipeline, cluster: SparkCluster, record_property: Callable[[str, object], None]
) -> None:
    (before,) = cluster.executors()
    os.kill(before, signal.SIGKILL)
    killed_at = time.time()
    wait_for(
        lambda: newest_received(streaming) > killed_at,
        "trades received after that to be queryable",
        within_s=FLOWS_WITHIN_S,
    )
    took_s = time.time() - killed_at
    record_property("seconds until trades were queryable again", round(took_s, 1))
    wait_for(lambda: cluster.executors() not in ([], [before]), "another executor", within_s=60)
    report = streaming.reconciled(streaming.day_of_trades())
    assert (report["lost"], report["doubled"]) == (0, 0), report
    assert report["clean"], report


def test_too_few_slots_are_refused_with_the_setting_to_change(
    tmp_path: Path, free_port_base: Callable[[], int], pipeline: RunningPipeline
) -> None:
    with spark_cluster(tmp_path / "cluster", free_port_base(), TOO_FEW) as small:
        use(pipeline, small)
        done = pipeline.run("up", "--detach", "--no-dagster", "--feed", "simulator", check=False)
    assert done.returncode != 0
    wanted = f"needs 2 task slots, and {small.url} has {TOO_FEW}: raise SPARK_WORKER_CORES or add workers"
    assert wanted in done.stderr, done.stderr


def test_a_master_that_is_not_there_is_refused_before_anything_starts(
    pipeline: RunningPipeline, refusing_port: int
) -> None:
    pipeline.environment["SPARK_MASTER"] = f"spark://{LOOPBACK}:{refusing_port}"
    done = pipeline.run("up", "--detach", check=False)
    (line,) = done.stderr.splitlines()
    assert (done.returncode != 0, f"{refusing_port}: Connection refused" in line) == (True, True), line
    assert not pipeline.settings.paths.logs.exists()
