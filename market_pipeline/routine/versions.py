"""The versions in use against the newest that the registries have, of what we chose ourselves: the dependencies that
``pyproject.toml`` names, and the jars that the locked sets are resolved from."""

import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from market_pipeline.interpreter import PYTHON
from market_pipeline.local.jars import ROOTS
from market_pipeline.local.java import FLOOR, find
from market_pipeline.settings import Settings

PIP_WITHIN_S = 300.0
MAVEN_WITHIN_S = 30
DISTRIBUTION = "market-pipeline"


@dataclass(frozen=True)
class Version:
    """One thing of ours that has versions; ``newest`` is None where the registry did not tell."""

    name: str
    kind: str
    used: str
    newest: str | None

    @property
    def behind(self) -> bool:
        return self.newest is not None and self.newest != self.used


class RegistryAway(Exception):
    """The registry does not answer; one line."""


def python_versions(outdated: Callable[[], dict[str, str]] | None = None) -> Iterator[Version]:
    """Each dependency that we name, by the index that pip is set up for.

    Raises:
        RegistryAway: pip can't ask it.
    """
    newer = (outdated or _outdated)()
    for requirement in metadata.requires(DISTRIBUTION) or []:
        if "extra ==" in requirement:
            continue
        name = _canonical(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0])
        used = metadata.version(name)
        yield Version(name, "Python", used, newer.get(name, used))


def jar_versions(newest: Callable[[str, str], str | None] | None = None) -> Iterator[Version]:
    """Each root of the locked jars, by the Maven repositories that jgo is set up for."""
    with tempfile.TemporaryDirectory(prefix="market-pipeline-") as folder:
        ask = newest or _newest_release(Path(folder))
        for coordinate in dict.fromkeys(root for roots in ROOTS.values() for root in roots):
            group, artifact, used = coordinate.split(":")
            yield Version(artifact, "jar", used, ask(group, artifact))


def java_version(settings: Settings) -> Iterator[Version]:
    """The Java that everything runs on, against the oldest without known vulnerabilities.

    Raises:
        NoJava: there is none.
    """
    found = find(settings)
    yield Version("Java", found.source, found.version, found.version if found.current else FLOOR)


def _outdated() -> dict[str, str]:
    command = [*PYTHON, "-m", "pip", "list", "--outdated", "--format=json", "--disable-pip-version-check"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_WITHIN_S, check=True)
        return {_canonical(each["name"]): each["latest_version"] for each in json.loads(done.stdout)}
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        raise RegistryAway(f"pip can't tell newer versions ({type(error).__name__})") from None


def _newest_release(cache: Path) -> Callable[[str, str], str | None]:
    # imported here: it is slow, and only asked for once a month
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext, PythonResolver

    context: Any = MavenContext(resolver=PythonResolver(), repo_cache=cache, timeout=MAVEN_WITHIN_S)
    context.remote_repos.update(GlobalSettings.load().repositories)

    def ask(group: str, artifact: str) -> str | None:
        try:
            project = context.project(group, artifact)
            project.update()
            return newest_final(project.metadata.versions)
        except Exception:  # requests, urllib3 and jgo each have their own
            return None

    return ask


def newest_final(versions: Iterable[str]) -> str | None:
    """The highest of the versions that are no tries of what is to come, such as ``6.0-alpha2``."""
    final = [version for version in versions if re.fullmatch(r"\d+(\.\d+)*", version)]
    return max(final, key=lambda version: tuple(map(int, version.split("."))), default=None)


def _canonical(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()
