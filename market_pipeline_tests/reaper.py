"""Ends pipelines that a test session leaves behind, however it ends: also by a timeout, or by SIGKILL.

A process of its own. It is told on its standard input which data dirs have a pipeline (``+DIR``) and which no longer
have one (``-DIR``); when that input is closed, which the end of the session does, it runs ``down`` for the rest.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

DOWN = ("-m", "market_pipeline.cli", "down", "--data-dir")
DOWN_WITHIN_S = 120


@cache
def _process() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, str(Path(__file__)), json.dumps(DOWN)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def started(data_dir: Path) -> None:
    """A pipeline is about to be started there."""
    _say(f"+{data_dir}")


def stopped(data_dir: Path) -> None:
    """It was stopped."""
    _say(f"-{data_dir}")


def _say(line: str) -> None:
    stdin = _process().stdin
    assert stdin is not None
    stdin.write(f"{line}\n".encode())
    stdin.flush()


def left_behind(lines: Iterable[str]) -> list[str]:
    """The data dirs that were started and not stopped."""
    left = dict[str, None]()
    for line in lines:
        sign, data_dir = line[0], line[1:].rstrip("\n")
        if sign == "+":
            left[data_dir] = None
        else:
            left.pop(data_dir, None)
    return list(left)


def main() -> None:
    down = json.loads(sys.argv[1])
    for data_dir in left_behind(sys.stdin):
        if Path(data_dir).exists():
            subprocess.run([sys.executable, *down, data_dir], timeout=DOWN_WITHIN_S, check=False)


if __name__ == "__main__":
    main()
