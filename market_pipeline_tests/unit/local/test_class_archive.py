"""The archives of classes: made once, used by a JVM that fits them, never in the way."""

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from market_pipeline.local import class_archive
from market_pipeline.local.class_archive import NAMES, ArchiveError, ClassArchive, class_list
from market_pipeline.local.java import java_home
from market_pipeline.local.jvm import joined
from market_pipeline.local.pyspark_jars import PYSPARK_JARS
from market_pipeline.local.user_cache import cache_folder
from market_pipeline.settings import Settings

FEW = b"java/lang/Object\njava/lang/String\norg/apache/spark/SparkConf\n"


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClassArchive:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(class_archive, "class_list", lambda name: FEW)
    return ClassArchive("spark", java_home(Settings.load(data_dir=tmp_path)), (PYSPARK_JARS / "*",))


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("spark", {"org/apache/spark/sql/SparkSession", "com/datastax/oss/driver/api/core/CqlSession"}),
        ("cassandra", {"org/apache/cassandra/service/CassandraDaemon", "org/apache/cassandra/cql3/QueryProcessor"}),
        ("kafka", {"kafka/server/BrokerServer", "kafka/server/KafkaApis"}),
    ],
)
def test_the_list_names_what_the_program_needs(name: str, needed: set[str]) -> None:
    assert name in NAMES
    assert needed <= {line.partition(" ")[0] for line in class_list(name).decode().splitlines()}


def test_a_jvm_takes_the_classes_from_the_archive(archive: ClassArchive) -> None:
    assert archive.options() == []
    made = archive.make()
    assert made == archive.file
    assert list(cache_folder().glob(".making-*")) == []
    flags = [
        *archive.options(),
        "-Xshare:on",
        "-XX:+UseSerialGC",
        "-Xlog:class+load",
        "-cp",
        joined(archive.class_path),
    ]
    spark = ["org.apache.spark.deploy.SparkSubmit", "--version"]
    looked = subprocess.run([archive.java / "bin" / "java", *flags, *spark], capture_output=True, text=True).stdout
    conf = next(line for line in looked.splitlines() if "org.apache.spark.SparkConf source:" in line)
    assert "source: shared objects file" in conf


def test_other_jars_are_another_archive(archive: ClassArchive, tmp_path: Path) -> None:
    def with_jar() -> Path:
        return ClassArchive("spark", archive.java, (*archive.class_path, jar)).file

    jar = tmp_path / "a.jar"
    jar.write_bytes(b"x")
    one = with_jar()
    jar.write_bytes(b"xy")
    os.utime(jar, (1, 1))
    assert len({archive.file, one, with_jar()}) == 3


def test_a_jar_that_changes_in_a_folder_makes_another_archive(archive: ClassArchive, tmp_path: Path) -> None:
    folder = ClassArchive("spark", archive.java, (tmp_path / "*",))
    before = folder.file
    (tmp_path / "a.jar").write_bytes(b"x")
    assert folder.file != before


def test_one_is_made_at_a_time(archive: ClassArchive) -> None:
    cache_folder().mkdir(parents=True)
    with (cache_folder() / "making.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert archive.make() is None


def test_a_java_that_cannot_says_why(archive: ClassArchive, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").write_text("#!/bin/sh\necho no archives here; exit 1\n")
    (tmp_path / "bin" / "java").chmod(0o755)
    with pytest.raises(ArchiveError, match="ended with status 1: no archives here"):
        ClassArchive("spark", tmp_path, ()).make()
    assert list(cache_folder().glob("*.jsa")) == []


def test_the_newest_of_a_name_stay(archive: ClassArchive) -> None:
    cache_folder().mkdir(parents=True)
    for age, name in enumerate(["spark-new.jsa", "spark-old.jsa", "spark-older.jsa", "kafka-oldest.jsa"]):
        (cache_folder() / name).touch()
        os.utime(cache_folder() / name, (1_000_000 - age, 1_000_000 - age))
    made = archive.make()
    assert made is not None
    assert {file.name for file in cache_folder().glob("*.jsa")} == {made.name, "spark-new.jsa", "kafka-oldest.jsa"}


@pytest.mark.usefixtures("archive")
def test_one_made_in_the_background_leaves_no_zombie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKET_PIPELINE_DATA_DIR", str(tmp_path))
    settings = Settings.load()
    java = java_home(settings)
    monkeypatch.setenv("MARKET_PIPELINE_JAVA_HOME", str(tmp_path / "no-java-here"))  # so that it ends at once
    before = {child.pid for child in psutil.Process().children()}
    class_archive.make_in_background(settings, java)
    makers = [child for child in psutil.Process().children() if child.pid not in before]
    assert len(makers) == 1
    assert makers[0].cmdline()[-3:] == ["spark", "cassandra", "kafka"]
    deadline = time.monotonic() + 60
    while makers[0].is_running():  # a zombie counts as running
        assert time.monotonic() < deadline, makers[0].status()
        time.sleep(0.02)


def test_a_name_that_is_none_is_refused_with_those_there_are() -> None:
    command = [sys.executable, "-m", "market_pipeline.local.class_archive", "flink"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no class archive is called flink: there are spark, cassandra, kafka" in done.stderr
