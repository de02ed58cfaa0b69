"""Reads silver in a process of its own: to decode Cassandra's rows takes as much CPU as all other hops together, and a
Python process has one core."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from datetime import date
from types import TracebackType
from typing import IO, Self

import pyarrow as pa

from market_pipeline.interpreter import PYTHON
from market_pipeline.mendable import Mendable
from market_pipeline.quality.columns import COLUMNS
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import STORE_ERRORS, connect
from market_pipeline.store.failure import one_line
from market_pipeline.store.trades import silver_batches

REQUEST_TIMEOUT_S = 60
_CHILD = "from market_pipeline.reconcile.silver_reader import main; main()"
_COUNT_BYTES = 8


class SilverUnreadable(Mendable):
    """Silver could not be read to its end; the message is the reader's."""


class SilverReader:
    """The rows of ``trades_silver`` as columns, from a child process that lives as long as the ``with`` block.

    A request is a line of JSON on the child's standard input; the answer is an Arrow IPC stream on its standard output.
    One request at a time. The child ends when its standard input does, so that it never outlives its parent for long.
    """

    def __init__(self, settings: Settings) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        self._child = subprocess.Popen(
            [*PYTHON, "-c", _CHILD],
            env={**os.environ, **settings.environment()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._errors, self._child:
            self._child.kill()

    def batches(self, day: date, symbols: Iterable[str]) -> Iterator[pa.RecordBatch]:
        """The rows of a UTC day, symbol by symbol, hour by hour, as ``quality.columns.COLUMNS``.

        Raises:
            SilverUnreadable: Cassandra does not answer, or the child was ended.
        """
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._child.stdin.write(json.dumps({"day": day.isoformat(), "symbols": list(symbols)}).encode() + b"\n")
            self._child.stdin.flush()
            yield from read_answer(self._child.stdout)
        except (OSError, pa.ArrowInvalid):
            raise SilverUnreadable(self._last_words()) from None

    def end(self) -> None:
        """Kill the child."""
        self._child.kill()
        self._child.wait()

    def _last_words(self) -> str:
        """What the child said at its end; it ends when its requests do."""
        self._child.communicate()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        return said[-1] if said else f"the process that reads silver ended with status {self._child.returncode}"


def write_answer(out: IO[bytes], batches: Iterable[pa.RecordBatch]) -> None:
    """Batches of ``COLUMNS`` as an Arrow IPC stream, and how many rows they have: Arrow takes a stream that breaks off
    between two batches for a whole one."""
    rows = 0
    with pa.ipc.new_stream(out, COLUMNS) as stream:
        for batch in batches:
            stream.write_batch(batch)
            rows += batch.num_rows
    out.write(_count(rows))
    out.flush()


def read_answer(source: IO[bytes]) -> Iterator[pa.RecordBatch]:
    """What ``write_answer`` wrote.

    Raises:
        OSError, pa.ArrowInvalid: it breaks off.
    """
    rows = 0
    with pa.ipc.open_stream(source) as stream:
        for batch in stream:
            rows += batch.num_rows
            yield batch
    if source.read(_COUNT_BYTES) != _count(rows):
        raise OSError("the rows break off")


def _count(rows: int) -> bytes:
    return rows.to_bytes(_COUNT_BYTES, "big")


def serve(settings: Settings) -> None:
    """Answer each line of standard input on standard output, until there is no more."""
    with connect(settings, timeout_s=REQUEST_TIMEOUT_S) as session:
        for line in sys.stdin:
            request = json.loads(line)
            day = date.fromisoformat(request["day"])
            write_answer(sys.stdout.buffer, silver_batches(session, settings, day, request["symbols"]))


def main() -> None:
    """What the child runs."""
    try:
        serve(Settings.load())
    except BrokenPipeError:  # nobody reads any more
        os._exit(1)
    except STORE_ERRORS as error:
        sys.exit(one_line(error))
