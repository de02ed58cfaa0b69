"""The archive of Spark's classes: made once, used by a JVM that fits it, never in the way."""

import fcntl
import os
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from market_pipeline.local.java import java_home
from market_pipeline.local.user_cache import cache_folder
from market_pipeline.settings import Settings
from market_pipeline.stream import class_archive
from market_pipeline.stream.class_archive import ArchiveError, archive, class_list, make, options
from market_pipeline.stream.gateway import class_path

FEW = b"java/lang/Object\njava/lang/String\norg/apache/spark/SparkConf\n"


@pytest.fixture
def java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(class_archive, "class_list", lambda: FEW)
    return java_home(Settings.load(data_dir=tmp_path))


def test_the_list_names_what_a_stream_needs() -> None:
    classes = class_list().decode().splitlines()
    assert {"org/apache/spark/sql/SparkSession", "com/datastax/oss/driver/api/core/CqlSession"} <= {
        line.partition(" ")[0] for line in classes
    }


def test_a_jvm_takes_the_classes_from_the_archive(java: Path) -> None:
    assert options(java, []) == []
    made = make(java, [])
    assert made == archive(java, [])
    assert list(cache_folder().glob(".making-*")) == []
    flags = [*options(java, []), "-Xshare:on", "-XX:+UseSerialGC", "-Xlog:class+load", "-cp", class_path([])]
    spark = ["org.apache.spark.deploy.SparkSubmit", "--version"]
    looked = subprocess.run([java / "bin" / "java", *flags, *spark], capture_output=True, text=True).stdout
    conf = next(line for line in looked.splitlines() if "org.apache.spark.SparkConf source:" in line)
    assert "source: shared objects file" in conf


def test_other_jars_are_another_archive(java: Path, tmp_path: Path) -> None:
    jar = tmp_path / "a.jar"
    jar.write_bytes(b"x")
    one = archive(java, [jar])
    jar.write_bytes(b"xy")
    os.utime(jar, (1, 1))
    assert len({archive(java, []), one, archive(java, [jar])}) == 3


def test_one_is_made_at_a_time(java: Path) -> None:
    cache_folder().mkdir(parents=True)
    with (cache_folder() / "making.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert make(java, []) is None


def test_a_java_that_cannot_says_why(java: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").write_text("#!/bin/sh\necho no archives here; exit 1\n")
    (tmp_path / "bin" / "java").chmod(0o755)
    with pytest.raises(ArchiveError, match="ended with status 1: no archives here"):
        make(tmp_path, [])
    assert list(cache_folder().glob("*.jsa")) == []


def test_the_newest_stay(java: Path) -> None:
    cache_folder().mkdir(parents=True)
    for age, name in enumerate(["spark-new.jsa", "spark-old.jsa", "spark-older.jsa"]):
        (cache_folder() / name).touch()
        os.utime(cache_folder() / name, (1_000_000 - age, 1_000_000 - age))
    made = make(java, [])
    assert made is not None
    assert {file.name for file in cache_folder().glob("*.jsa")} == {made.name, "spark-new.jsa"}


def test_one_made_in_the_background_leaves_no_zombie(
    java: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKET_PIPELINE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MARKET_PIPELINE_JAVA_HOME", str(tmp_path / "no-java-here"))  # so that it ends at once
    before = {child.pid for child in psutil.Process().children()}
    class_archive.make_in_background(java)
    makers = [child for child in psutil.Process().children() if child.pid not in before]
    assert len(makers) == 1
    deadline = time.monotonic() + 60
    while makers[0].is_running():  # a zombie counts as running
        assert time.monotonic() < deadline, makers[0].status()
        time.sleep(0.02)
