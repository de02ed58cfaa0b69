"""One small Spark session for all tests of transforms, without servers, on a machine that is five and a half hours off.

So every test here would see a zone that leaks in, be it Java's or Python's.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from market_pipeline.model import Trade, encode
from market_pipeline.settings import Settings
from market_pipeline.stream.batch_session import use_java_of
from market_pipeline.stream.parsing import parse, valid
from market_pipeline.stream.session import configuration

HOST_ZONE = "Asia/Kolkata"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each test here starts Spark, or shares one."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.real_servers)


@contextlib.contextmanager
def _elsewhere() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", HOST_ZONE)
        time.tzset()
        yield
    time.tzset()


@pytest.fixture(scope="module", autouse=True)
def _python_elsewhere() -> Iterator[None]:
    with _elsewhere():
        yield


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory, class_archive: None) -> Iterator[SparkSession]:
    settings = Settings.load(data_dir=tmp_path_factory.mktemp("spark"), spark_master="local[2]")
    use_java_of(settings)
    builder = SparkSession.builder.config("spark.driver.memory", "768m")
    builder = builder.config("spark.driver.extraJavaOptions", "-XX:+UseSerialGC -XX:TieredStopAtLevel=1")
    for name, value in configuration(settings).items():
        builder = builder.config(name, value)
    with _elsewhere():  # Java takes its zone from the environment that it starts in
        session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


class Frames:
    """Makes DataFrames of records and of trades."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark

    def records(self, values: Iterable[bytes]) -> DataFrame:
        return self._spark.createDataFrame([(bytearray(value),) for value in values], "value BINARY").coalesce(1)

    def trades(self, trades: Iterable[Trade]) -> DataFrame:
        return valid(parse(self.records(encode(trade) for trade in trades)))


@pytest.fixture(scope="session")
def frames(spark: SparkSession) -> Frames:
    return Frames(spark)
