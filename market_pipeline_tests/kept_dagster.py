"""Dagster's command line in a process that is kept: the definitions are loaded once, and all runs share Spark's JVM.

A command in a process of its own takes half a minute of CPU, nearly all of it to load Dagster and to start Spark.
"""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from market_pipeline.settings import Settings
from market_pipeline.stream import batch_session
from market_pipeline.stream.batch_session import BatchSession, open_batch_session
from market_pipeline_tests.conftest import die_with_parent


class KeptDagster:
    """Runs ``dagster`` commands in the kept process."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self._process = process
        self._log = log

    def run(self, settings: Settings, *arguments: str, home: Path | None = None) -> None:
        """``dagster`` with these arguments, which must succeed; without ``home`` nothing of the run is kept."""
        begins = self._log.stat().st_size
        variables = dict(settings.environment()) | ({} if home is None else {"DAGSTER_HOME": str(home)})
        request = {"arguments": arguments, "variables": variables, "folder": str(settings.data_dir)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        with self._log.open(encoding="utf-8", errors="replace") as log:
            log.seek(begins)
            assert answer == "done\n", log.read()[-9_000:]


@contextmanager
def kept_dagster(log: Path) -> Iterator[KeptDagster]:
    """Start the process, and end it, with its JVM."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", __name__],
            cwd=Path(__file__).parents[1],
            env=os.environ | {"DAGSTER_DISABLE_TELEMETRY": "yes"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            preexec_fn=die_with_parent,
        )
    try:
        yield KeptDagster(process, log)
    finally:
        process.communicate(timeout=60)  # it ends when its input does


class _KeptSession(BatchSession):
    def stop(self) -> None:
        """The next run gets it too."""


_opened: list[BatchSession] = []


def _open_once(settings: Settings, changes: Mapping[str, str]) -> BatchSession:
    if not _opened:
        _opened.append(open_batch_session(settings, changes))
    first = _opened[0]
    return _KeptSession(first.spark, first.jvm, first.lock)


def _execute(request: dict[str, Any]) -> bool:
    from dagster._cli import create_dagster_cli

    before = dict(os.environ)
    os.environ.update(request["variables"])
    os.chdir(request["folder"])
    try:
        create_dagster_cli().main(request["arguments"], "dagster", standalone_mode=False, obj={})
    except BaseException:
        traceback.print_exc()
        return False
    finally:
        os.environ.clear()
        os.environ.update(before)
    return True


def main() -> None:
    """A request a line on standard input; for each an answer on standard output, where nothing else gets to."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        batch_session.open_batch_session = _open_once
        for line in sys.stdin:
            answers.write("done\n" if _execute(json.loads(line)) else "failed\n")
            answers.flush()
    if _opened:
        _opened[0].stop()


if __name__ == "__main__":
    main()
