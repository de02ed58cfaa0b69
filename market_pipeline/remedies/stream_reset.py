"""Lets the stream read Kafka again from its oldest record: its checkpoints are put aside.

Nothing is doubled by it, for each row's key comes from its trade. It costs the time to read all that Kafka keeps.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from market_pipeline.broker.offsets import begin_offsets, end_offsets
from market_pipeline.local.restart import Restarted, restart
from market_pipeline.settings import Settings
from market_pipeline.stream.position import next_offsets

STREAM = "stream"


@dataclass(frozen=True)
class Again:
    """What the stream would read again, and how many records Kafka has in all."""

    records: int
    kept: int


@dataclass(frozen=True)
class Reset:
    """The stream that reads from the beginning, and where its old checkpoints are."""

    restarted: Restarted
    put_aside: Path


def plan(settings: Settings) -> Again:
    """What a reset would have the stream read again. Changes nothing.

    Raises:
        BrokerUnreachableError, TopicError: Kafka does not answer.
    """
    begin, end = begin_offsets(settings, settings.topic), end_offsets(settings, settings.topic)
    done = next_offsets(settings)
    again = sum(max(0, offset - begin.get(partition, 0)) for partition, offset in done.items())
    return Again(again, sum(end[partition] - begin.get(partition, 0) for partition in end))


def reset(settings: Settings, tell: Callable[[str], None] = lambda _: None) -> Reset:
    """Stop the stream, put its checkpoints aside, and start it. What an earlier reset put aside is deleted.

    Args:
        settings: of the pipeline.
        tell: hears where the checkpoints are, before the stream is started.

    Raises:
        SupervisorAway: the supervisor does not answer.
        StartError: the stream does not start; the old checkpoints are where they were put.
        OSError: the checkpoints can't be moved; the stream is started again as it was.
    """
    checkpoints = settings.paths.checkpoints
    aside = checkpoints.with_name(f"{checkpoints.name}-{datetime.now(UTC):%Y%m%dT%H%M%S}")

    def put_aside() -> None:
        earlier = list(checkpoints.parent.glob(f"{checkpoints.name}-*"))
        if checkpoints.exists():
            checkpoints.rename(aside)
            tell(f"the old checkpoints are {aside}")
        for folder in earlier:
            shutil.rmtree(folder, ignore_errors=True)

    return Reset(restart(settings, STREAM, meanwhile=put_aside), aside)
