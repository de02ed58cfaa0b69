import subprocess
from pathlib import Path

import pytest

from market_pipeline.deploy import executor_options
from market_pipeline.local import class_archive
from market_pipeline.local.class_archive import ClassArchive
from market_pipeline.local.java import java_home
from market_pipeline.local.pyspark_jars import PYSPARK_JARS
from market_pipeline.settings import Settings


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_an_executor_takes_its_classes_from_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_archive, "class_list", lambda name: b"java/lang/Object\norg/apache/spark/SparkConf\n")
    java = java_home(Settings.load(data_dir=tmp_path))
    archive = ClassArchive("spark", java, (PYSPARK_JARS / "*",))
    archive.make()
    given = executor_options.executor_options(archive)
    # as a worker starts it: its configuration's folder behind the class path that it was given
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "log4j2.properties").touch()
    path = f"{given['spark.executor.extraClassPath']}:{tmp_path / 'conf'}"
    program = ["-XX:+UseSerialGC", *given["spark.executor.extraJavaOptions"].split(), "-Xlog:class+load", "-cp", path]
    shown = subprocess.run(
        [java / "bin" / "java", *program, "org.apache.spark.deploy.SparkSubmit", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "org.apache.spark.SparkConf source: shared objects file" in shown.stdout


def test_an_image_without_an_archive_is_not_built(capsys: pytest.CaptureFixture[str]) -> None:
    assert executor_options.main() == 1
    assert "python -m market_pipeline.local.class_archive spark makes it" in capsys.readouterr().err
