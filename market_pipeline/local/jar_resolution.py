"""Makes the lock of the jars from their root coordinates: a developer's step, after a change of versions."""

import hashlib
import re
from collections.abc import Collection, Mapping
from typing import Any

import jgo

from market_pipeline.local.jars import Jar
from market_pipeline.local.pyspark_jars import pyspark_jars


def resolve(roots_of: Mapping[str, tuple[str, ...]], alone: Collection[str]) -> list[Jar]:
    """Walk the dependency graph and download everything: the content of a new lock file.

    Args:
        roots_of: the coordinates that each set is resolved from.
        alone: sets that are their roots only.
    """
    shipped = _artifacts_in_pyspark()
    jars = []
    for name, roots in roots_of.items():
        for artifact in _resolved(roots, alone=name in alone):
            if name == "spark" and artifact.artifactId in shipped:
                continue
            classifier = f":{artifact.classifier}" if artifact.classifier else ""
            coordinate = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}{classifier}"
            content = artifact.resolve().read_bytes()
            jars.append(Jar(name, coordinate, hashlib.sha256(content).hexdigest(), len(content)))
    return jars


def _resolved(roots: tuple[str, ...], alone: bool) -> list[Any]:
    """The files of the roots, each resolved by itself: together, the managed versions of one would rule the others."""
    by_name: dict[tuple[str, str, str], Any] = {}
    for root in roots:
        files = [each for each in jgo.resolve(root) if each.packaging == "jar"]
        for each in files[: 1 if alone else None]:
            by_name.setdefault((each.groupId, each.artifactId, each.classifier), each)
    return list(by_name.values())


def _artifacts_in_pyspark() -> set[str]:
    """Names, without versions, of the jars that PySpark ships: two versions of one library break in odd ways."""
    return {re.sub(r"-\d[\w.\-]*$", "", jar.stem) for jar in pyspark_jars()}
