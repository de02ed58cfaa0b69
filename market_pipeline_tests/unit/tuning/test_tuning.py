"""The table of parameters, and what a command line tells of them."""

import json
import os
import subprocess
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from market_pipeline.cli import main
from market_pipeline.settings import Settings
from market_pipeline.supervision.lock import ProcessLock
from market_pipeline.tuning.profiles import PARAMETERS, PROFILES
from market_pipeline.tuning.readback import (
    NotReadable,
    command_of,
    configured,
    differing,
    heap_mb,
    read_back,
    stream_command,
)


def test_every_parameter_has_a_value_in_each_profile_and_a_way_to_be_read(tmp_path: Path) -> None:
    assert {each.name for each in PARAMETERS} == read_back(Settings.load(data_dir=tmp_path)).keys()
    for each in PARAMETERS:
        assert tuple(each.values) == PROFILES
        assert each.how("tuned")
        assert each.why


def test_what_we_start_with_is_the_profile_of_two_cores() -> None:
    ours = {each.name: each.values["two-cores"] for each in PARAMETERS}
    settings = Settings.model_construct()
    assert ours["num.partitions"] == settings.kafka_partitions
    assert ours["log.retention.hours"] == settings.kafka_retention_hours
    assert ours["spark.executor.memory"] == settings.spark_driver_memory_mb
    assert ours["MAX_HEAP_SIZE"] == settings.cassandra_heap_mb


@pytest.mark.parametrize(("flag", "mb"), [("-Xmx768m", 768), ("-Xmx2G", 2048), ("-Xmx1048576k", 1024)])
def test_a_heap_is_read_in_whatever_unit_it_is_told(flag: str, mb: int) -> None:
    assert heap_mb(["java", "-Xms16m", flag, "Main"]) == mb


def test_what_is_not_told_is_not_made_up(tmp_path: Path) -> None:
    with pytest.raises(NotReadable):
        heap_mb(["java", "-Xmx"])
    file = tmp_path / "spark.properties"
    for text in ("", "spark.master=local\n"):
        file.write_text(text)
        with pytest.raises(NotReadable):
            configured(["--properties-file", str(file)], "spark.sql.shuffle.partitions")
    file.write_text("spark.master=local\nspark.sql.shuffle.partitions=7\n")
    assert configured(["java", "--properties-file", str(file)], "spark.sql.shuffle.partitions") == "7"


def test_a_program_without_a_jvm_says_so(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path)
    with pytest.raises(NotReadable, match="stream does not run here"):
        stream_command(settings)
    with ProcessLock(settings.paths.lock("stream")), pytest.raises(NotReadable, match="has no JVM yet"):
        stream_command(settings)


def test_the_lock_of_another_container_makes_no_process_here_the_server(tmp_path: Path) -> None:
    """There the pid is the holder's, here it is somebody else's."""
    lock = Settings.load(data_dir=tmp_path).paths.lock("cassandra")
    with ProcessLock(lock):
        lock.write_text(str(os.getppid()))
        with pytest.raises(NotReadable, match="cassandra does not run here"):
            command_of(Settings.load(data_dir=tmp_path), "cassandra")


def test_a_child_that_has_ended_hides_no_live_one(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path)
    java = tmp_path / "java"
    java.symlink_to("/bin/sleep")
    ended = subprocess.Popen(["/bin/true"])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
    jvm = subprocess.Popen([java, "600"])
    try:
        with ProcessLock(settings.paths.lock("stream")):
            assert psutil.Process(ended.pid).status() == psutil.STATUS_ZOMBIE
            assert stream_command(settings) == [str(java), "600"]
    finally:
        jvm.kill()
        jvm.wait()
        ended.wait()


def test_only_what_could_be_read_can_differ() -> None:
    assert differing({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 5, "c": "Kafka does not answer"}) == ["b"]


def test_with_nothing_running_each_line_says_why(
    tmp_path: Path, refusing_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKET_PIPELINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{refusing_port}")
    monkeypatch.setenv("CASSANDRA_CONTACT_POINTS", "127.0.0.1")
    monkeypatch.setenv("CASSANDRA_PORT", str(refusing_port))
    told = json.loads(CliRunner().invoke(main, ["tune", "show", "--json"]).stdout)
    assert told["differ"] == []
    assert "does not answer" in told["have"]["num.partitions"]
    shown = CliRunner().invoke(main, ["tune", "show", "--profile", "tuned"])
    assert shown.exit_code == 0
    assert "MAX_HEAP_SIZE: cassandra does not run here" in shown.output
