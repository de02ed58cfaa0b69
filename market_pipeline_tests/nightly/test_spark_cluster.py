"""The stream on a Spark standalone cluster that asks for a secret: trades flow, and what it keeps is ours alone."""

import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from market_pipeline.store.cluster import STORE_ERRORS
from market_pipeline_tests import reaper
from market_pipeline_tests.nightly.spark_cluster import SparkCluster, spark_cluster
from market_pipeline_tests.running import RunningPipeline
from market_pipeline_tests.waiting import wait_for

pytestmark = [pytest.mark.real_servers, pytest.mark.nightly, pytest.mark.timeout(1_800)]

STARTS_WITHIN_S, FLOWS_WITHIN_S = 1_200, 400
"""An executor is one more JVM that starts and compiles beside four others."""
SLOTS = 8
TABLES = ("trades_silver", "latest_prices", "ohlcv_1m")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, free_port_base: Callable[[], int]) -> Iterator[SparkCluster]:
    with spark_cluster(tmp_path_factory.mktemp("spark") / "cluster", free_port_base(), SLOTS) as running:
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


def has_rows(pipeline: RunningPipeline, table: str) -> bool:
    try:
        return bool(pipeline.rows(f"SELECT symbol FROM market_data.{table} LIMIT 1"))
    except STORE_ERRORS:  # the cores are the executor's
        return False


def tables_are_fresh(pipeline: RunningPipeline) -> bool:
    stream = pipeline.status()["stream"]
    tables = stream["tables"] or {}
    return bool(tables) and all(table["still_s"] < stream["late_after_s"] for table in tables.values())


def test_trades_flow_into_every_table(streaming: RunningPipeline, cluster: SparkCluster) -> None:
    for table in TABLES:
        wait_for(partial(has_rows, streaming, table), f"rows in {table}", within_s=FLOWS_WITHIN_S)
    wait_for(lambda: tables_are_fresh(streaming), "every table to be fresh", within_s=FLOWS_WITHIN_S)
    assert len(cluster.executors()) == 1


def test_doctor_and_status_name_the_master(streaming: RunningPipeline, cluster: SparkCluster) -> None:
    assert streaming.status()["stream"]["master"] == cluster.url
    assert cluster.url in streaming.run("status").stdout
    (line,) = (line for line in streaming.run("doctor", check=False).stdout.splitlines() if cluster.url in line)
    assert "ok" in line


def test_checkpoints_of_the_driver_and_of_executors_are_ours_alone(streaming: RunningPipeline) -> None:
    wait_for(lambda: any(files(streaming, "state")), "an executor's state of the bars", within_s=FLOWS_WITHIN_S)
    open_to_others = [file for file in files(streaming, "") if stat.S_IMODE(file.stat().st_mode) & 0o077]
    assert open_to_others == []


def files(pipeline: RunningPipeline, below: str) -> list[Path]:
    found = pipeline.settings.paths.checkpoints.rglob("*")
    return [file for file in found if file.is_file() and below in (*file.parts, "") and not file.name.endswith(".tmp")]
