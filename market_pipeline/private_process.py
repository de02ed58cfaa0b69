"""What a process keeps to itself, from its first line on: the files that it makes, and its memory when it crashes."""

import os
import resource
from pathlib import Path

PRIVATE_UMASK = 0o077
_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))


def keep_private() -> None:
    """Have this process, and whatever it starts, make files that only this user can read, and no core dumps, in which
    keys and tokens would be."""
    os.umask(PRIVATE_UMASK)
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


def root_warning(user: int, *, in_container: bool) -> str | None:
    """What to tell whoever starts a pipeline as root; None when there is nothing to tell."""
    if user != 0 or in_container:
        return None
    return "this pipeline runs as root, and whoever breaks into it is root: start it as a user of its own"


def in_container() -> bool:
    """Whether this process runs in a container, where root is not that of the machine."""
    return any(mark.exists() for mark in _MARKS) or "KUBERNETES_SERVICE_HOST" in os.environ or "container" in os.environ
