"""Task slots: how many the stream's queries hold, and how many a local Spark has. (A cluster's come and go.)

In real-time mode a task waits for records for as long as its query runs: one a partition in each of the two queries
behind ``trades_silver`` and ``latest_prices``. Bars and dead letters need one more between them, or never get a turn.
"""

import os
import re

from market_pipeline.settings import Settings, local_master
from market_pipeline.stream.failure import StreamError

_LOCAL = re.compile(r"local(?:\[\s*(\d+|\*)\s*(?:,\s*\d+\s*)?\])?")


def needed(partitions: int) -> int:
    """What the stream's real-time queries and those beside them need for a topic with so many partitions."""
    return 2 * partitions + 1


def local_slots(master: str) -> int | None:
    """How many slots a master within this process has; None for a cluster's."""
    found = _LOCAL.fullmatch(master)
    if found is None:
        return None
    count = found[1] or "1"
    return os.cpu_count() or 1 if count == "*" else int(count)


def check(settings: Settings, partitions: int) -> None:
    """See that every query gets a slot.

    Args:
        settings: with the master and the mode.
        partitions: that the topic has, whatever the settings say.

    Raises:
        StreamError: one would wait for ever.
    """
    slots = local_slots(settings.master)
    if settings.stream_mode == "real-time" and slots is not None and slots < needed(partitions):
        raise StreamError(
            f"{settings.topic} has {partitions} partitions, for which real-time mode needs {needed(partitions)} task "
            f"slots, and {settings.master} has {slots}: set SPARK_MASTER={local_master(partitions)}, or "
            "MARKET_PIPELINE_STREAM_MODE=micro-batch"
        )
