"""Every partition gets a task slot, or the stream refuses to start and says how to get one."""

import itertools

import pytest

from market_pipeline.settings import Settings
from market_pipeline.stream import slots
from market_pipeline.stream.failure import StreamError


def nobody_asks() -> int:
    raise AssertionError("a local Spark's slots are in its master's name")


@pytest.mark.parametrize(
    ("master", "count"),
    [("local", 1), ("local[6]", 6), ("local[8,4]", 8), ("local[ 8 , 4 ]", 8), ("spark://m:7077", None), ("yarn", None)],
)
def test_slots_of_a_master(master: str, count: int | None) -> None:
    assert slots.local_slots(master) == count


@pytest.mark.parametrize("partitions", [1, 2, 4, 32])
def test_by_default_there_are_enough_for_the_partitions_that_are_set(partitions: int) -> None:
    slots.check(Settings.load(kafka_partitions=partitions), partitions, nobody_asks)


@pytest.mark.parametrize(("master", "partitions"), [("local[3,4]", 4), (None, 40)])
def test_too_few_are_refused_with_the_cure(master: str | None, partitions: int) -> None:
    settings = Settings.load(spark_master=master)
    with pytest.raises(StreamError, match=r"set SPARK_MASTER=(local\[\d+,4\])") as refused:
        slots.check(settings, partitions, nobody_asks)
    cure = str(refused.value).partition("SPARK_MASTER=")[2].partition(", or")[0]
    slots.check(settings.model_copy(update={"spark_master": cure}), partitions, nobody_asks)
    slots.check(settings.model_copy(update={"stream_mode": "micro-batch"}), partitions, nobody_asks)


CLUSTER = "spark://m:7077"


def test_a_cluster_with_too_few_slots_is_refused_with_the_setting_to_change() -> None:
    settings, clock = Settings.load(spark_master=CLUSTER), itertools.count(step=slots.EXECUTORS_WITHIN_S / 4)
    says = "needs 3 task slots, and spark://m:7077 has 2: raise SPARK_WORKER_CORES or add workers, or set MARKET_PIPE"
    with pytest.raises(StreamError, match=says):
        slots.check(settings, 3, lambda: 2, lambda: next(clock))
    slots.check(settings.model_copy(update={"stream_mode": "micro-batch"}), 3, nobody_asks)


def test_a_cluster_gives_its_executors_one_after_the_other() -> None:
    given, clock = iter([0, 2, 4, 5]), itertools.count()
    slots.check(Settings.load(spark_master=CLUSTER), 5, lambda: next(given), lambda: next(clock))
    assert next(given, None) is None
