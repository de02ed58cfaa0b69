"""The thousands of classes of Spark, Cassandra and Kafka, parsed and verified once instead of at each start.

    python -m market_pipeline.local.class_archive [spark] [cassandra] [kafka]

A JVM that maps its classes from an archive needs a quarter to a third less CPU until it works, which is what a start,
and a restart after a crash, mostly wait for. Making one takes 10 (Kafka, Cassandra) to 40 s (Spark) of one core: a
running stream does it in the background, at the lowest priority, where there is none yet. An archive fits one Java and
one class path. (JEP 310; Java reads an archive that does not fit as if it were not there.)
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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from market_pipeline.interpreter import PYTHON
from market_pipeline.local.jars import JarError, classpath, locked, paths
from market_pipeline.local.java import NoJava, java_home
from market_pipeline.local.jvm import joined
from market_pipeline.local.user_cache import cache_folder
from market_pipeline.settings import Settings, SettingsError
from market_pipeline.supervision.lock import AlreadyRunning, ProcessLock
from market_pipeline.supervision.log_lines import start_logging, write_error
from market_pipeline.supervision.parent_death import die_with

SPARK, CASSANDRA, KAFKA = "spark", "cassandra", "kafka"
NAMES = (SPARK, CASSANDRA, KAFKA)
"""Of the archives, and of the sets of jars that the JVMs have on their class path."""

LOWEST_PRIORITY = 19
KEPT = 2
"""Archives of a name, of 60 to 200 MB each: after an update the one before may still serve another checkout."""

logger = logging.getLogger("class-archive")


class ArchiveError(Exception):
    """Java could not make the archive; the message is one line."""


@dataclass(frozen=True)
class ClassArchive:
    """The archive of one program; it need not exist.

    Attributes:
        name: of the program, one of ``NAMES``.
        java: the home of the Java that reads it.
        class_path: what the program's class path begins with; ``folder/*`` stands for all jars of a folder.
    """

    name: str
    java: Path
    class_path: tuple[Path, ...]

    @property
    def file(self) -> Path:
        """Where it is, or will be."""
        files = [self.java / "lib" / "modules", *_expanded(self.class_path)]
        # whole seconds, as Java compares them: an image's layers keep no more
        known = [f"{file} {(found := file.stat()).st_size} {int(found.st_mtime)}" for file in files if file.exists()]
        return cache_folder() / f"{self.name}-{hashlib.sha256(chr(10).join(known).encode()).hexdigest()[:16]}.jsa"

    def options(self) -> list[str]:
        """What makes a JVM use it; nothing while it is missing or can't be read."""
        found = self.file
        return [f"-XX:SharedArchiveFile={found}", "-Xshare:auto"] if os.access(found, os.R_OK) else []

    def make(self) -> Path | None:
        """Make it where it is missing; None when another process makes one.

        Raises:
            ArchiveError: Java did not make it.
            OSError: the folder can't be written.
        """
        wanted = self.file
        try:
            with ProcessLock(wanted.parent / "making.lock"):
                if not wanted.exists():
                    with tempfile.TemporaryDirectory(prefix=".making-", dir=wanted.parent) as scratch:
                        self._dump(Path(scratch)).rename(wanted)
                    _forget_older(self.name, wanted.parent)
        except AlreadyRunning:
            return None
        return wanted

    def _dump(self, scratch: Path) -> Path:
        classes, made = scratch / "classes.list", scratch / "classes.jsa"
        classes.write_bytes(class_list(self.name))
        done = subprocess.run(
            [
                str(self.java / "bin" / "java"),
                "-Xshare:dump",
                f"-XX:SharedClassListFile={classes}",
                f"-XX:SharedArchiveFile={made}",
                "-XX:+UseSerialGC",
                "-Xmx512m",
                "-cp",
                joined(self.class_path),
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


def class_archive(name: str, java: Path) -> ClassArchive:
    """The archive of a program, one of ``NAMES``, for this Java; none of its jars is downloaded."""
    jars = paths(locked(name))
    if name != SPARK:
        return ClassArchive(name, java, tuple(jars))
    from market_pipeline.local.pyspark_jars import spark_class_path  # the servers' images have no PySpark

    return ClassArchive(name, java, spark_class_path(jars))


def class_list(name: str) -> bytes:
    """The classes to put into an archive, one a line, in the order in which the program loads them."""
    folder = resources.files("market_pipeline.local").joinpath("class_lists")
    return gzip.decompress(folder.joinpath(f"{name}.list.gz").read_bytes())


def _expanded(class_path: Iterable[Path]) -> Iterator[Path]:
    for entry in class_path:
        yield from sorted(entry.parent.glob("*.jar")) if entry.name == "*" else (entry,)


def _forget_older(name: str, where: Path) -> None:
    for cut_off in where.glob(".making-*"):  # of a maker that was killed: we alone hold the lock
        shutil.rmtree(cut_off, ignore_errors=True)
    newest_first = sorted(where.glob(f"{name}-*.jsa"), key=lambda file: file.stat().st_mtime, reverse=True)
    for old in newest_first[KEPT:]:
        with contextlib.suppress(OSError):
            old.unlink()


def make_in_background(settings: Settings, java: Path) -> None:
    """Make the archives that this pipeline's programs lack, while this process lives. Call it from the main thread."""
    embedded = {CASSANDRA: settings.embedded_cassandra, KAFKA: settings.embedded_kafka}
    names = [name for name in NAMES if embedded.get(name, True)]
    missing = [name for name in names if not class_archive(name, java).options()]
    if missing:
        maker = subprocess.Popen(
            [*PYTHON, "-m", "market_pipeline.local.class_archive", *missing],
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


def main(names: list[str]) -> int:
    start_logging()
    if unknown := set(names) - set(NAMES):
        write_error(f"no class archive is called {', '.join(sorted(unknown))}: there are {', '.join(NAMES)}")
        return 2
    failed = False
    for name in names or NAMES:
        try:
            classpath(name)
            made = class_archive(name, java_home(Settings.load())).make()
        except (ArchiveError, JarError, NoJava, SettingsError, OSError) as error:
            logger.warning("the next start of %s will be no faster: %s", name, error)
            failed = True
        else:
            if made is not None:
                logger.info("the next start of %s takes its classes from %s", name, made)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
