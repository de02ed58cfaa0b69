"""What the embedded servers share: a Java command with its arguments in a file, so that a process list is short."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from market_pipeline.local.java import java_home
from market_pipeline.mendable import Mendable
from market_pipeline.settings import Settings

FORBIDDEN_IN_PATHS = ",:;\"'\\\n\t"
"""Characters that a class path, a list of Kafka's directories or a properties file would take for something else."""


LATE_OPTIMISATION = (
    "-XX:Tier4InvocationThreshold=50000",
    "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=150000",
    "-XX:Tier4BackEdgeThreshold=400000",
)
"""Ten times Java's own thresholds for its optimising compiler: it then leaves a start alone (which takes a third less
CPU) and still gets to whatever a busy pipeline does often."""


class UnusablePath(Mendable):
    """The data dir has a character that the servers cannot live with; the message names it."""


def check_path(path: Path) -> None:
    """Spaces and accents are fine; what separates paths or quotes text is not.

    Raises:
        UnusablePath: the path has such a character.
    """
    wrong = next((character for character in str(path) if character in FORBIDDEN_IN_PATHS), None)
    if wrong is not None:
        raise UnusablePath(
            f"the path {str(path)!r} has the character {wrong!r}, which Kafka and Java read as the end of a path: "
            "choose another with --data-dir"
        )


def argument_file(arguments: Iterable[str]) -> str:
    """The text of a Java ``@argument`` file: each argument quoted, backslashes doubled."""
    return "".join('"' + each.replace("\\", "\\\\").replace('"', '\\"') + '"\n' for each in arguments)


def properties(values: Iterable[tuple[str, str]]) -> str:
    """The text of a Java properties file, which is Latin-1 with ``\\uXXXX`` for everything else."""

    def escaped(value: str) -> str:
        units = value.replace("\\", "\\\\").encode("utf-16-be")
        pairs = (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
        return "".join(chr(unit) if 0x20 <= unit < 0x7F else f"\\u{unit:04x}" for unit in pairs)

    return "".join(f"{name}={escaped(value)}\n" for name, value in values)


def write_if_changed(path: Path, text: str) -> None:
    """Write a configuration file, atomically; one that is right already keeps its time."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)


def command(settings: Settings, arguments_at: Path, arguments: Sequence[str], main: Sequence[str]) -> list[str]:
    """Write the arguments and return the command that starts ``main`` (a class and what it is told) with them."""
    write_if_changed(arguments_at, argument_file(arguments))
    return [str(java_home(settings) / "bin" / "java"), f"@{arguments_at}", *main]


def joined(paths: Iterable[Path]) -> str:
    return os.pathsep.join(str(path) for path in paths)
