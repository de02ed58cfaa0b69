"""What all pipelines of a user share and can make again: archives of classes, compiled jars, digests of files."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where it is; it need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "market-pipeline"
