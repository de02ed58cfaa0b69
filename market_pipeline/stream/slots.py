"""Task slots: how many the stream's query holds, and how many its Spark has, on this machine or on a cluster.

In real-time mode a task of each partition waits for records for as long as the query runs.
"""

import os
import re
import time
from collections.abc import Callable

from pyspark.sql import SparkSession

from market_pipeline.settings import Settings, local_master
from market_pipeline.stream.failure import StreamError

EXECUTORS_WITHIN_S = 60.0
"""A cluster gives a driver its executors one after the other, seconds after it asked for them."""
POLL_S = 0.2
_LOCAL = re.compile(r"local(?:\[\s*(\d+|\*)\s*(?:,\s*\d+\s*)?\])?")


def needed(partitions: int) -> int:
    """What the stream's real-time query needs for a topic with so many partitions."""
    return partitions


def local_slots(master: str) -> int | None:
    """How many slots a master within this process has; None for a cluster's."""
    found = _LOCAL.fullmatch(master)
    if found is None:
        return None
    count = found[1] or "1"
    return os.cpu_count() or 1 if count == "*" else int(count)


def check(
    settings: Settings,
    partitions: int,
    granted: Callable[[], int],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """See that every partition gets a slot.

    Args:
        settings: with the master and the mode.
        partitions: that the topic has, whatever the settings say.
        granted: how many slots the executors of a cluster have that it has given so far.
        clock: monotonic seconds.

    Raises:
        StreamError: one would wait for ever.
    """
    if settings.stream_mode != "real-time":
        return
    wanted, slots = needed(partitions), local_slots(settings.master)
    if slots is not None:
        cure = f"set SPARK_MASTER={local_master(partitions)}"
    else:
        cure = "raise SPARK_WORKER_CORES or add workers"
        slots, deadline = granted(), clock() + EXECUTORS_WITHIN_S
        while slots < wanted and clock() < deadline:
            time.sleep(POLL_S)
            slots = granted()
    if slots < wanted:
        raise StreamError(
            f"{settings.topic} has {partitions} partitions, for which real-time mode needs {wanted} task slots, and "
            f"{settings.master} has {slots}: {cure}, or set MARKET_PIPELINE_STREAM_MODE=micro-batch"
        )


def granted_by(spark: SparkSession) -> int:
    """The task slots of the executors that a cluster has given to this session so far."""
    context = spark.sparkContext._jsc.sc()  # noqa: SLF001
    # not defaultParallelism, which is 2 of one core or none
    return int(context.maxNumConcurrentTasks(context.resourceProfileManager().defaultResourceProfile()))
