"""What Spark's checkpoints say: where each query will read on, and whether Kafka still has it.

The format is Spark's: ``offsets/N`` holds, one JSON document a line after the version, the metadata and then the end
offsets of batch N for each source; ``commits/N`` says that the batch is done.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from market_pipeline.local.programs import MATERIALIZE

CURE = (
    "the records are gone from Kafka: start once with MARKET_PIPELINE_ACCEPT_LOST_OFFSETS=true to skip them, then "
    f"rebuild the day from the bronze archive (`{MATERIALIZE} trades_silver --partition DAY`)"
)

MADE_ANEW_CURE = (
    "stop the stream (`market-pipeline down`), delete the checkpoints below {checkpoints} and start it: it reads the "
    "topic from its beginning, and the same trades are the same rows"
)

TOPIC_ID = "topic_id"


@dataclass(frozen=True)
class OutOfReach:
    """What is wanted next of a partition is not among the offsets [oldest, end) that Kafka has or will give next."""

    topic: str
    partition: int
    wanted: int
    oldest: int
    end: int

    @property
    def beyond_end(self) -> bool:
        """Whether it never was there: a topic that was deleted and created begins at 0. Otherwise it is lost."""
        return self.wanted > self.end

    def __str__(self) -> str:
        if self.beyond_end:
            return (
                f"{self.topic} partition {self.partition}: Kafka's topic was made anew: the checkpoint goes on at "
                f"offset {self.wanted}, the topic ends at {self.end}"
            )
        return (
            f"{self.topic} partition {self.partition}: the checkpoint goes on at offset {self.wanted}, "
            f"Kafka's oldest is {self.oldest}, {self.oldest - self.wanted} records are lost"
        )


def next_offsets(checkpoint: Path, topic: str) -> dict[int, int] | None:
    """The next offset by partition of the newest finished batch; None when no batch was ever finished."""
    for batch in sorted(_batches(checkpoint / "commits"), reverse=True):
        found = _read(checkpoint / "offsets" / str(batch), topic)
        if found is not None:
            return found
    return None


def out_of_reach(
    topic: str, wanted: Mapping[int, int], oldest: Mapping[int, int], ends: Mapping[int, int]
) -> list[OutOfReach]:
    """The partitions of which Kafka does not have what is ``wanted`` next; one that is not there any more ends at 0."""
    every = (OutOfReach(topic, p, at, oldest.get(p, 0), ends.get(p, 0)) for p, at in sorted(wanted.items()))
    return [each for each in every if each.beyond_end or each.wanted < each.oldest]


def of_another_topic(checkpoint: Path, topic_id: str) -> str | None:
    """Why the checkpoint's offsets mean nothing in the topic that has this id now; None when they are the topic's own.

    The offsets alone don't tell: a topic that was made anew may have outgrown them. One that has none yet, or was
    written before the id was kept, is taken for the topic's own.
    """
    kept = _kept_id(checkpoint)
    if kept in (None, topic_id) or not _batches(checkpoint / "offsets"):
        return None
    return f"Kafka's topic was made anew: the checkpoint is of the one with the id {kept}, Kafka's has {topic_id}"


def forget_half_written(checkpoint: Path) -> None:
    """Remove files that a killed process had begun to write; only while no query runs on the checkpoint.

    Spark renames a file to its number when it is whole. One that was left before batch 0 keeps a query from ever
    starting again: Spark takes the folder for one in use (STATE_STORE_CHECKPOINT_LOCATION_NOT_EMPTY).
    """
    for log in ("offsets", "commits"):
        for left in (*(checkpoint / log).glob(".*.tmp"), *(checkpoint / log).glob(".*.tmp.crc")):
            left.unlink(missing_ok=True)


def keep_topic_id(checkpoint: Path, topic_id: str) -> None:
    """Keep beside the checkpoint which topic its offsets are of, so that it goes when the checkpoint is deleted."""
    if _kept_id(checkpoint) != topic_id:
        checkpoint.mkdir(parents=True, exist_ok=True)
        scratch = checkpoint / f"{TOPIC_ID}.tmp"
        scratch.write_text(topic_id, encoding="utf-8")
        scratch.replace(checkpoint / TOPIC_ID)


def _kept_id(checkpoint: Path) -> str | None:
    try:
        return (checkpoint / TOPIC_ID).read_text(encoding="utf-8") or None
    except FileNotFoundError:
        return None


def _batches(folder: Path) -> list[int]:
    try:
        return [int(file.name) for file in folder.iterdir() if file.name.isdigit()]
    except FileNotFoundError:
        return []


def _read(file: Path, topic: str) -> dict[int, int] | None:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        for line in lines[2:]:
            offsets = json.loads(line)
            if isinstance(offsets, dict) and topic in offsets:
                return {int(partition): int(offset) for partition, offset in offsets[topic].items()}
    except (OSError, ValueError):
        return None
    return None
