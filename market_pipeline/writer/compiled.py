"""The writer's jar, compiled from the sources in this package the first time that it is needed.

Eclipse's compiler is a jar like any other, so that no JDK is needed. The jar is kept under a name that is made of
all that it depends on: the sources, the compiler, and the jars that it is compiled against.

    python -m market_pipeline.writer.compiled
"""

import hashlib
import logging
import os
import subprocess
import sys
import tempfile
import zipfile
from importlib import resources
from pathlib import Path

import pyspark

from market_pipeline.local.jars import JarError, classpath, locked
from market_pipeline.local.java import NoJava, java_home
from market_pipeline.local.jvm import joined
from market_pipeline.local.pyspark_jars import pyspark_jars
from market_pipeline.local.user_cache import cache_folder
from market_pipeline.mendable import Mendable
from market_pipeline.settings import Settings, SettingsError
from market_pipeline.supervision.log_lines import start_logging

COMPILER = "org.eclipse.jdt.internal.compiler.batch.Main"
JAVA_VERSION = "17"
COMPILES_WITHIN_S = 300
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Zip's first moment: the same classes make the same jar, whenever they are compiled."""

logger = logging.getLogger("writer")


class CompileError(Mendable):
    """The writer could not be compiled; the message is one line."""


def sources() -> dict[str, bytes]:
    """The Java sources by their path below the source folder."""
    root = Path(str(resources.files("market_pipeline.writer") / "java"))
    return {str(file.relative_to(root)): file.read_bytes() for file in sorted(root.rglob("*.java"))}


def writer_jar(java: Path) -> Path:
    """The writer's jar, compiled where it is missing, which takes some seconds.

    Raises:
        CompileError: it could not be compiled, or not be kept.
        JarError: a jar that it needs could not be had.
    """
    texts = sources()
    wanted = cache_folder() / f"trade-writer-{_key(texts)}.jar"
    if wanted.exists():
        return wanted
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".compiling-", dir=wanted.parent) as scratch:
            made = compiled(java, texts, [*classpath("spark"), *pyspark_jars()], Path(scratch))
            made.rename(wanted)  # whoever else compiles it at the same time makes the same
    except OSError as error:
        raise CompileError(f"the writer's jar can't be kept in {wanted.parent}: {error.strerror}") from None
    logger.info("compiled the writer into %s", wanted)
    return wanted


def compiled(java: Path, texts: dict[str, bytes], against: list[Path], scratch: Path) -> Path:
    """A jar of these sources.

    Args:
        java: the home of the Java that runs the compiler.
        texts: Java sources by path.
        against: the jars that they use.
        scratch: an empty folder.

    Raises:
        CompileError: they can't be compiled; the message has the first error.
        JarError: the compiler could not be had.
    """
    source, classes = scratch / "java", scratch / "classes"
    for name, text in texts.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(text)
    arguments = scratch / "arguments"
    files = "\n".join(f'"{source / name}"' for name in texts)
    arguments.write_text(
        f'-{JAVA_VERSION} -proc:none -nowarn -encoding UTF-8 -d "{classes}"\n{files}\n', encoding="utf-8"
    )
    done = subprocess.run(
        [
            java / "bin" / "java",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            joined(classpath("ecj")),
            COMPILER,
            "-cp",
            joined(against),
            f"@{arguments}",
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMPILES_WITHIN_S,
        check=False,
    )
    if done.returncode != 0:
        raise CompileError(f"the writer can't be compiled: {_first_error(done.stderr, source)}")
    return _jar(classes, scratch / "writer.jar")


def _first_error(said: str, source: Path) -> str:
    """Of what the compiler printed, the first error's place and text."""
    lines = [line.strip() for line in said.splitlines()]
    start = next((number for number, line in enumerate(lines) if "ERROR in " in line), None)
    if start is None:
        return next((line for line in lines if line), "the compiler said nothing")
    place = lines[start].partition("ERROR in ")[2].replace(f"{source}{os.sep}", "")
    text = next((line for line in lines[start + 1 :] if line and not set(line) <= {"^"} and line[-1] not in ";{}("), "")
    return f"{place}: {text}"


def _jar(classes: Path, jar: Path) -> Path:
    with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(classes.rglob("*.class")):
            archive.writestr(zipfile.ZipInfo(str(file.relative_to(classes)), _EPOCH), file.read_bytes())
    return jar


def _key(texts: dict[str, bytes]) -> str:
    digest = hashlib.sha256(f"{JAVA_VERSION} {pyspark.__version__}".encode())
    for jar in locked("spark", "ecj"):
        digest.update(jar.line().encode())
    for name, text in texts.items():
        digest.update(name.encode() + b"\0" + text + b"\0")
    return digest.hexdigest()[:16]


def main() -> int:
    """Compile it where that was not done yet, for an image."""
    start_logging()
    try:
        writer_jar(java_home(Settings.load()))
    except (CompileError, JarError, NoJava, SettingsError) as error:
        logger.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
