"""Of a test that fails, the logs that were written while it ran, beside the reports."""

import contextlib
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from stat import S_ISREG

import pytest

KEPT_BYTES = 1 << 20
"""Of each log the end."""
CLOCKS_APART_S = 1.0
"""A file's time may be that of the kernel's last tick."""
SERVERS_OWN = frozenset({"cassandra", "kafka"})
"""Folders of what these call logs and nobody reads: commit logs, topics, transactions."""
_began = pytest.StashKey[float]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    began = item.stash.setdefault(_began, call.start)
    report = yield
    if report.failed:
        folder = Path("build", "reports", "logs", re.sub(r"[^\w.=-]+", "-", item.nodeid)[-200:])
        root: Path = item.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        if kept := keep(root, began, item.config.rootpath / folder):
            report.sections.append((f"logs kept in {folder}", "\n".join(kept)))
    return report


def keep(root: Path, since: float, folder: Path) -> list[str]:
    """Copy the end of each log below ``root`` that was written since then (epoch seconds); returns their names."""
    kept = []
    for log in sorted(_written(root, since)):
        name = "-".join(log.relative_to(root).parts[-4:])
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError), log.open("rb") as file:  # its program may delete it meanwhile
            file.seek(max(0, log.stat().st_size - KEPT_BYTES))
            (folder / name).write_bytes(file.read(KEPT_BYTES))
            kept.append(name)
    return kept


def _written(root: Path, since: float) -> Iterator[Path]:
    for suffix in ("log", "out"):
        for file in root.rglob(f"*.{suffix}"):
            with contextlib.suppress(FileNotFoundError):
                found = file.stat()
                written = S_ISREG(found.st_mode) and found.st_size and found.st_mtime >= since - CLOCKS_APART_S
                if written and not SERVERS_OWN.intersection(file.relative_to(root).parts):
                    yield file
