"""Makes a run's files part of the archive at one moment: all of them and the offsets, or nothing.

1. The files are written and made durable under ``_staging``.
2. ``_intent.json`` is put in place: it names them and holds the manifest that will be. *This is the commit.*
3. They are renamed to where they belong.
4. The manifest is replaced.
5. The intent is removed.
Ended before 2, the staged files are deleted by the next run, which takes the same offsets again. Ended after it, the
next run goes on with 3: renames and the manifest may be done twice. A reader sees a file whole or not at all.
"""

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from market_pipeline.bronze.layout import days, files_of_day
from market_pipeline.bronze.manifest import (
    ArchiveError,
    Manifest,
    read_manifest,
    sync_folder,
    write_json,
)

INTENT = "_intent.json"
STAGING = "_staging"
logger = logging.getLogger(__name__)


def staging_folder(root: Path) -> Path:
    return root / STAGING


def commit(root: Path, manifest: Manifest, files: Sequence[Path]) -> None:
    """Add staged files (paths below the root) to the archive and move its place in the topic on."""
    write_json(root / INTENT, {"manifest": manifest.to_json(), "files": [str(path) for path in files]})
    _carry_out(root, manifest, files)


def recover(root: Path) -> None:
    """Finish a commit that was cut short and delete what was never committed. Only the holder of the archive's lock
    may call this.

    Raises:
        ArchiveError: the intent names a file that is nowhere.
    """
    root.mkdir(parents=True, exist_ok=True)
    try:
        intent = json.loads((root / INTENT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        intent = None
    if intent is not None:
        logger.warning("finishing commit %s of the archive, which was cut short", intent["manifest"]["commits"] - 1)
        _carry_out(root, Manifest.from_json(intent["manifest"]), [Path(name) for name in intent["files"]])
    shutil.rmtree(staging_folder(root), ignore_errors=True)


def current_manifest(root: Path, topic: str, topic_id: str) -> Manifest:
    """The archive's place in the topic; made again from the files' own offsets if the manifest was lost.

    Raises:
        ArchiveError: the manifest is damaged or of another topic.
    """
    manifest = read_manifest(root)
    if manifest is None:
        manifest = _from_files(root, topic, topic_id)
    if manifest.topic != topic:
        raise ArchiveError(
            f"{root} is the archive of topic {manifest.topic}, not of {topic}: use another --data-dir or topic"
        )
    return manifest


def _carry_out(root: Path, manifest: Manifest, files: Sequence[Path]) -> None:
    folders = set()
    for path in files:
        staged, final = staging_folder(root) / path, root / path
        if staged.exists():
            final.parent.mkdir(parents=True, exist_ok=True)
            staged.replace(final)
            folders |= {final.parent, final.parent.parent}
        elif not final.exists():
            raise ArchiveError(f"{final} was committed and is gone: restore it, or delete {root / INTENT} to go on")
    for folder in sorted(folders):
        sync_folder(folder)
    write_json(root / "_offsets.json", manifest.to_json())
    (root / INTENT).unlink()
    shutil.rmtree(staging_folder(root), ignore_errors=True)


def _from_files(root: Path, topic: str, topic_id: str) -> Manifest:
    """Commits are whole and in order of offsets, so the highest offset of each partition is where they ended."""
    next_offsets: dict[int, int] = {}
    commits = 0
    for day in days(root):
        live, _ = files_of_day(root, day)
        for file in live:
            commits = max(commits, file.last + 1)
            table = pq.read_table(file.path, columns=["kafka_partition", "kafka_offset"], partitioning=None)
            highest = table.group_by("kafka_partition").aggregate([("kafka_offset", "max")])
            for row in highest.to_pylist():
                partition = row["kafka_partition"]
                next_offsets[partition] = max(next_offsets.get(partition, 0), row["kafka_offset_max"] + 1)
    if commits:
        logger.warning("the archive's manifest is gone; made again from its files: next offsets %s", next_offsets)
    return Manifest(topic, topic_id, commits, next_offsets)
