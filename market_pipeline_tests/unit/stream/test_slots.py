"""Every query of the stream gets a task slot, or is refused with the cure."""

import pytest

from market_pipeline.settings import Settings
from market_pipeline.stream import slots
from market_pipeline.stream.failure import StreamError


@pytest.mark.parametrize(
    ("master", "count"),
    [("local", 1), ("local[6]", 6), ("local[8,4]", 8), ("local[ 8 , 4 ]", 8), ("spark://m:7077", None), ("yarn", None)],
)
def test_slots_of_a_master(master: str, count: int | None) -> None:
    assert slots.local_slots(master) == count


@pytest.mark.parametrize("partitions", [1, 2, 4, 32])
def test_by_default_there_are_enough_for_the_partitions_that_are_set(partitions: int) -> None:
    slots.check(Settings.load(kafka_partitions=partitions), partitions)


@pytest.mark.parametrize(("master", "partitions"), [("local[8,4]", 4), (None, 40)])
def test_too_few_are_refused_with_the_cure(master: str | None, partitions: int) -> None:
    settings = Settings.load(spark_master=master)
    with pytest.raises(StreamError, match=r"set SPARK_MASTER=(local\[\d+,4\])") as refused:
        slots.check(settings, partitions)
    cure = str(refused.value).partition("SPARK_MASTER=")[2].partition(", or")[0]
    slots.check(settings.model_copy(update={"spark_master": cure}), partitions)
    slots.check(settings.model_copy(update={"stream_mode": "micro-batch"}), partitions)
