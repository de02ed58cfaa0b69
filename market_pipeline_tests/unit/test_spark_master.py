"""Where Spark runs, and whether it can be reached."""

import socket
from pathlib import Path

import pytest

from market_pipeline.local.checkup import check_spark as check_line
from market_pipeline.local.preflight import StartError, check_spark
from market_pipeline.settings import LOOPBACK, Settings
from market_pipeline.spark_master import addresses


def test_a_cluster_may_have_several_masters() -> None:
    assert addresses("spark://a-1.example:7077,10.0.0.1:7078,[::1]:9") == [
        *(("a-1.example", 7077), ("10.0.0.1", 7078), ("::1", 9))
    ]
    assert addresses("local[8,4]") == []


@pytest.mark.parametrize("master", ["spark://", "spark://a", "spark://a:", "spark://a:7077/x", "spark://a:7077,"])
def test_what_is_no_address_is_refused_in_one_line(master: str) -> None:
    with pytest.raises(
        StartError, match=r"SPARK_MASTER: .* is no address of a master: it looks like spark://HOST:7077"
    ):
        check_spark(Settings.load(spark_master=master))


def test_a_master_that_nobody_is_at_is_said_before_anything_starts(refusing_port: int, tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path, spark_master=f"spark://{LOOPBACK}:{refusing_port}")
    with pytest.raises(StartError, match=rf"{refusing_port}: Connection refused\): start it, or set SPARK_MASTER"):
        check_spark(settings)
    line = check_line(settings)
    assert (line.verdict, f"{refusing_port}" in line.found, bool(line.cure)) == ("failed", True, True)


def test_one_of_several_masters_is_enough(refusing_port: int) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        there = server.getsockname()[1]
        settings = Settings.load(spark_master=f"spark://{LOOPBACK}:{refusing_port},{LOOPBACK}:{there}")
        check_spark(settings)
        assert check_line(settings).verdict == "ok"
        assert settings.master in check_line(settings).found


def test_a_spark_of_our_own_needs_nobody() -> None:
    settings = Settings.load()
    check_spark(settings)
    assert check_line(settings).found == f"{settings.master}, within the stream's own process"
