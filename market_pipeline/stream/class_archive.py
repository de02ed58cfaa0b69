"""Spark's 20,000 classes, parsed and verified once instead of at each start.

    python -m market_pipeline.stream.class_archive

A JVM that maps them from an archive needs a third less CPU until trades flow, which is what a start, and a restart
after a crash, mostly wait for. Making one takes a minute of one core: a running stream does it in the background, at
the lowest priority, where there is none yet. An archive fits one Java and one set of jars. (JEP 310; Java reads an
archive that does not fit as if it were not there.)
"""

import contextlib
import gzip
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from market_pipeline.interpreter import PYTHON
from market_pipeline.local.jars import JarError, classpath
from market_pipeline.local.java import NoJava, java_home
from market_pipeline.local.pyspark_jars import pyspark_jars
from market_pipeline.local.user_cache import cache_folder
from market_pipeline.settings import Settings, SettingsError
from market_pipeline.stream.gateway import class_path, die_with
from market_pipeline.supervision.lock import AlreadyRunning, ProcessLock
from market_pipeline.supervision.log_lines import start_logging

CLASSES = "classes.list.gz"
"""What a stream loads that writes into each table, as `-XX:DumpLoadedClassList` tells it."""

LOWEST_PRIORITY = 19
KEPT = 2
"""Archives, of 200 MB each: after an update the one before may still serve another checkout."""

logger = logging.getLogger("class-archive")


class ArchiveError(Exception):
    """Java could not make the archive; the message is one line."""


def archive(java: Path, jars: list[Path]) -> Path:
    """The archive for this Java and these jars besides Spark's own; it need not exist."""
    files = [java / "lib" / "modules", *pyspark_jars(), *jars]
    # whole seconds, as Java compares them: an image's layers keep no more
    told = [f"{file} {(known := file.stat()).st_size} {int(known.st_mtime)}" for file in files if file.exists()]
    return cache_folder() / f"spark-{hashlib.sha256(chr(10).join(told).encode()).hexdigest()[:16]}.jsa"


def options(java: Path, jars: list[Path]) -> list[str]:
    """What makes a JVM use the archive, where there is one."""
    found = archive(java, jars)
    return [f"-XX:SharedArchiveFile={found}", "-Xshare:auto"] if found.exists() else []


def make(java: Path, jars: list[Path]) -> Path | None:
    """Make the archive where it is missing; None when another process is about it.

    Raises:
        ArchiveError: Java did not make it.
        OSError: the folder can't be written.
    """
    wanted = archive(java, jars)
    try:
        with ProcessLock(wanted.parent / "making.lock"):
            if not wanted.exists():
                with tempfile.TemporaryDirectory(prefix=".making-", dir=wanted.parent) as scratch:
                    _dump(java, jars, Path(scratch)).rename(wanted)
                _forget_older(wanted.parent)
    except AlreadyRunning:
        return None
    return wanted


def class_list() -> bytes:
    """The classes to put into it, one a line, in the order in which a stream loads them."""
    return gzip.decompress(resources.files("market_pipeline.stream").joinpath(CLASSES).read_bytes())


def _dump(java: Path, jars: list[Path], scratch: Path) -> Path:
    classes, made = scratch / "classes.list", scratch / "spark.jsa"
    classes.write_bytes(class_list())
    done = subprocess.run(
        [
            str(java / "bin" / "java"),
            "-Xshare:dump",
            f"-XX:SharedClassListFile={classes}",
            f"-XX:SharedArchiveFile={made}",
            "-XX:+UseSerialGC",
            "-Xmx512m",
            "-cp",
            class_path(jars),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,  # a warning for each class that can't be in it
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=die_with(os.getpid()),
    )
    if done.returncode != 0 or not made.exists():
        last = done.stdout.strip().splitlines()[-1:] or ["it said nothing"]
        raise ArchiveError(f"java -Xshare:dump ended with status {done.returncode}: {last[0]}")
    return made


def _forget_older(where: Path) -> None:
    for cut_off in where.glob(".making-*"):  # of a maker that was killed: we alone hold the lock
        shutil.rmtree(cut_off, ignore_errors=True)
    newest_first = sorted(where.glob("spark-*.jsa"), key=lambda file: file.stat().st_mtime, reverse=True)
    for old in newest_first[KEPT:]:
        with contextlib.suppress(OSError):
            old.unlink()


def make_in_background(java: Path) -> None:
    """Make the archive where it is missing, while this process lives. Call it from the main thread."""
    if not archive(java, classpath("spark")).exists():
        maker = subprocess.Popen(
            [*PYTHON, "-m", "market_pipeline.stream.class_archive"],
            stdin=subprocess.DEVNULL,
            preexec_fn=_in_background(os.getpid()),
        )
        # waited for, so that it leaves no zombie
        threading.Thread(target=maker.wait, name="class-archive", daemon=True).start()


def _in_background(parent: int) -> Callable[[], None]:
    """For ``preexec_fn``: the child ends with its parent, and gets what no other process wants of the processor."""
    end_with_parent = die_with(parent)

    def in_child() -> None:
        end_with_parent()
        os.nice(LOWEST_PRIORITY)

    return in_child


def main() -> int:
    start_logging()
    try:
        made = make(java_home(Settings.load()), classpath("spark"))
    except (ArchiveError, JarError, NoJava, SettingsError, OSError) as error:
        logger.warning("the next start will be no faster: %s", error)
        return 1
    if made is not None:
        logger.info("the next start takes Spark's classes from %s", made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
