"""What the archive has taken from Kafka: the next offset of each partition, and what Kafka lost before it was taken."""

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from market_pipeline.mendable import Mendable

MANIFEST = "_offsets.json"


class ArchiveError(Mendable):
    """The archive can't be read or written; one line with the cure."""


@dataclass(frozen=True)
class OffsetGap:
    """Records that Kafka no longer had when the archive came for them: offsets [start, end) of a partition.

    ``end`` is None when the topic was deleted, so that nobody knows how many there were.
    """

    partition: int
    start: int
    end: int | None
    reason: str
    noticed_at: str

    def __str__(self) -> str:
        upto = "its end" if self.end is None else f"{self.end - 1}"
        return f"partition {self.partition} offsets {self.start} to {upto} ({self.reason})"


@dataclass(frozen=True)
class Manifest:
    """The archive's place in the topic.

    Attributes:
        topic: the topic's name.
        topic_id: Kafka's id of the topic, which a topic of the same name that is created again does not have.
        commits: how many commits were made; the next one's number.
        next_offsets: the next offset to take, by partition.
        gaps: everything that was lost, oldest first.
    """

    topic: str
    topic_id: str = ""
    commits: int = 0
    next_offsets: dict[int, int] = field(default_factory=dict)
    gaps: tuple[OffsetGap, ...] = ()

    def advanced(self, next_offsets: dict[int, int], gaps: tuple[OffsetGap, ...] = ()) -> "Manifest":
        """The manifest after one more commit."""
        return replace(
            self,
            commits=self.commits + 1,
            next_offsets=self.next_offsets | next_offsets,
            gaps=self.gaps + gaps,
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Manifest":
        return cls(
            topic=record["topic"],
            topic_id=record["topic_id"],
            commits=record["commits"],
            next_offsets={int(partition): offset for partition, offset in record["next_offsets"].items()},
            gaps=tuple(OffsetGap(**gap) for gap in record["gaps"]),
        )


def read_manifest(root: Path) -> Manifest | None:
    """The manifest on disk; None when there is none.

    Raises:
        ArchiveError: the file is not one that this program wrote.
    """
    try:
        return Manifest.from_json(json.loads((root / MANIFEST).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ArchiveError(f"{root / MANIFEST} is damaged: delete it, it is made again from the files") from None


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Replace a file so that it is either the old or the new one, even after a loss of power."""
    scratch = path.with_suffix(".tmp")
    with scratch.open("w", encoding="utf-8") as file:
        json.dump(record, file)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
