"""The Java archives of the embedded servers and of Spark, from the ordinary Maven local repository.

``jars.lock`` names every file with its SHA-256 and size, so that a fresh machine walks no dependency graph, each file
is verified when it arrives and before each use, and a progress bar knows its end. A developer re-creates it from
``ROOTS`` with ``python -m market_pipeline.local.jars lock``.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from market_pipeline.local.file_digests import digests
from market_pipeline.mendable import Mendable

logger = logging.getLogger(__name__)

LOCK_FILE = "jars.lock"
DOWNLOAD_THREADS = 8
TIMEOUT_S = 60

ROOTS: dict[str, tuple[str, ...]] = {
    # the POM of Kafka brings no slf4j binding; without this one (slf4j 1.7 line) there is no log at all
    "kafka": ("org.apache.kafka:kafka_2.13:4.3.1", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"),
    "kafka-tools": ("org.apache.kafka:kafka-tools:4.3.1",),
    "cassandra": ("org.apache.cassandra:cassandra-all:5.0.9",),
    "ecj": ("org.eclipse.jdt:ecj:3.43.0",),
    "spark": (
        "org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0",
        "com.datastax.spark:spark-cassandra-connector_2.13:3.5.1",
    ),
}
"""What each set is resolved from."""

ALONE = frozenset({"kafka-tools", "ecj"})
"""Sets that are their roots only: the tools' other dependencies serve Connect."""

BUILT_ON = {"kafka-tools": ("kafka",)}
"""Sets whose class path begins with other sets."""

Progress = Callable[[int, int], None]
"""Called with the bytes that have arrived and the bytes that are needed, from several threads, one at a time."""


class JarError(Mendable):
    """A jar cannot be had; the message is one line and names the cure."""


@dataclass(frozen=True)
class Jar:
    """One file of the lock: its Maven coordinate, SHA-256 in hexadecimal, and size in bytes."""

    set_name: str
    coordinate: str
    sha256: str
    size: int

    @property
    def parts(self) -> tuple[str, str, str, str]:
        """Group, artifact, version and classifier ('' for the main file)."""
        group, artifact, version, *classifier = self.coordinate.split(":")
        return group, artifact, version, classifier[0] if classifier else ""

    @property
    def relative_path(self) -> Path:
        """Where the file lies in a Maven repository."""
        group, artifact, version, classifier = self.parts
        suffix = f"-{classifier}" if classifier else ""
        return Path(*group.split("."), artifact, version, f"{artifact}-{version}{suffix}.jar")

    def line(self) -> str:
        return f"{self.set_name} {self.coordinate} {self.sha256} {self.size}"


def parse_lock(text: str) -> list[Jar]:
    """The jars of a lock file: ``set coordinate sha256 size`` a line; empty lines and # comments are skipped.

    Raises:
        ValueError: a line is not of that form; the message names its number.
    """
    jars = []
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.partition("#")[0].split()
        if not fields:
            continue
        well_formed = len(fields) == 4 and len(fields[2]) == 64 and fields[3].isdigit()
        if not well_formed or fields[1].count(":") not in (2, 3):
            raise ValueError(f"{LOCK_FILE} line {number} is not 'set group:artifact:version[:classifier] sha256 size'")
        jars.append(Jar(fields[0], fields[1], fields[2], int(fields[3])))
    return jars


def locked(*names: str) -> list[Jar]:
    """The jars of the sets, in class path order.

    Raises:
        KeyError: there is no such set.
    """
    text = resources.files("market_pipeline.local").joinpath(LOCK_FILE).read_text(encoding="utf-8")
    by_set: dict[str, list[Jar]] = {name: [] for name in ROOTS}
    for jar in parse_lock(text):
        by_set[jar.set_name].append(jar)
    wanted = [each for name in names for each in (*BUILT_ON.get(name, ()), name)]
    return [jar for name in dict.fromkeys(wanted) for jar in by_set[name]]


def repository() -> Path:
    """The Maven local repository: ``M2_REPO``, else the ordinary place in the home directory."""
    return Path(os.environ.get("M2_REPO") or Path.home() / ".m2" / "repository")


def missing(jars: list[Jar]) -> list[Jar]:
    """Those that are not in the local repository with the content of the lock, each file once: sets share some."""
    root = repository()
    files = {root / jar.relative_path: jar for jar in jars}
    found = digests(files)
    return [jar for file, jar in files.items() if found.get(file) != jar.sha256]


def altered(jars: list[Jar], *, afresh: bool = False) -> list[Path]:
    """The files in the local repository whose content is not that of the lock; ``afresh`` reads every file."""
    root = repository()
    files = {root / jar.relative_path: jar for jar in jars}
    return [file for file, digest in digests(files, afresh=afresh).items() if digest != files[file].sha256]


def classpath(name: str, progress: Progress | None = None) -> list[Path]:
    """The files of a set (one of ``ROOTS``), downloaded first where they are missing.

    Raises:
        JarError: a file could not be downloaded, or is not the file of the lock.
    """
    jars = locked(name)
    fetch(jars, progress)
    return paths(jars)


def paths(jars: Iterable[Jar]) -> list[Path]:
    """Where the files are, or will be once they are fetched."""
    root = repository()
    return [root / jar.relative_path for jar in jars]


def fetch(jars: list[Jar], progress: Progress | None = None) -> None:
    """Download what is missing, several files at once, one process at a time.

    Raises:
        JarError: as for ``classpath``.
    """
    if not missing(jars):
        return
    with _alone_in(repository()):
        wanted = missing(jars)
        for file in altered(wanted):
            logger.warning("%s is not the file that %s names: it is downloaded anew", file, LOCK_FILE)
        if wanted:
            _download(wanted, progress)


@contextlib.contextmanager
def _alone_in(root: Path) -> Iterator[None]:
    """Two downloads at once into one repository trip over each other's half-written files."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with (root / ".market-pipeline.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise JarError(f"cannot write to the Maven repository {root}: {error.strerror} (M2_REPO moves it)") from None


class _Tally:
    """Adds up what all threads received and tells it on."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total = total
        self._progress = progress
        self._done = 0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        with self._lock:
            self._done += count
            if self._progress is not None:
                self._progress(self._done, self._total)

    @contextlib.contextmanager
    def of_file(self, filename: str, size: int) -> Iterator[Callable[[int], None]]:
        """The callback that jgo asks for: one context a file, called with the bytes of each chunk."""
        yield self.add


def _download(jars: list[Jar], progress: Progress | None) -> None:
    tally = _Tally(sum(jar.size for jar in jars), progress)
    # files arrive in a staging folder and are moved when they are verified, so that a half-written or a wrong one is
    # never found under its real name
    with tempfile.TemporaryDirectory(prefix=".market-pipeline-", dir=repository()) as staging:
        context = _maven(Path(staging), tally)
        with ThreadPoolExecutor(DOWNLOAD_THREADS, "jars") as pool:
            pending = [pool.submit(_download_one, context, jar) for jar in sorted(jars, key=lambda jar: -jar.size)]
            try:
                for each in pending:
                    each.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _maven(cache: Path, tally: _Tally) -> Any:
    # imported here: it is slow, and needed on the first start only
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext, PythonResolver

    resolver = PythonResolver(progress_callback=tally.of_file)
    context = MavenContext(resolver=resolver, repo_cache=cache, timeout=TIMEOUT_S)
    context.remote_repos.update(GlobalSettings.load().repositories)
    return context


def _download_one(context: Any, jar: Jar) -> None:
    group, artifact, version, classifier = jar.parts
    wanted = context.project(group, artifact).at_version(version).artifact(classifier)
    last: Exception | None = None
    for _ in range(3):
        wanted.cached_path.unlink(missing_ok=True)
        try:
            arrived = wanted.resolve()
        except Exception as error:  # requests, urllib3 and jgo each have their own
            last = error
            continue
        digest = hashlib.sha256(arrived.read_bytes()).hexdigest()
        if digest != jar.sha256:
            raise JarError(
                f"{jar.coordinate} arrived with SHA-256 {digest[:12]}…, the lock says {jar.sha256[:12]}…: "
                "is a mirror or a proxy changing files? Nothing was kept; try another network"
            )
        target = repository() / jar.relative_path
        target.parent.mkdir(parents=True, exist_ok=True)
        arrived.replace(target)
        return
    raise JarError(
        f"cannot download {jar.coordinate} ({_brief(last)}): check the network or the proxy (HTTPS_PROXY), then "
        "start again; what has arrived is kept"
    )


def _brief(error: Exception | None) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:160]}"


def main(arguments: list[str]) -> int:
    """The developer's command: ``lock`` writes the lock file anew."""
    if arguments != ["lock"]:
        sys.stderr.write("usage: python -m market_pipeline.local.jars lock\n")
        return 2
    # imported here: only a developer walks the graph
    from market_pipeline.local.jar_resolution import resolve

    lines = [
        "# set group:artifact:version[:classifier] sha256 size; made by `python -m market_pipeline.local.jars lock`",
        *(jar.line() for jar in resolve(ROOTS, ALONE)),
    ]
    target = Path(__file__).with_name(LOCK_FILE)
    scratch = target.with_suffix(".tmp")
    scratch.write_text("\n".join(lines) + "\n", encoding="utf-8")
    shutil.move(scratch, target)
    sys.stderr.write(f"{target}: {len(lines) - 1} jars\n")
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    sys.exit(main(sys.argv[1:]))
