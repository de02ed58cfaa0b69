"""``query`` when Cassandra goes away: one line, no stack trace."""

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cassandra import OperationTimedOut, ReadTimeout
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionException
from click.testing import CliRunner

from market_pipeline.cli import PipelineError, main
from market_pipeline.cli.query import run_statement
from market_pipeline_tests.ending import ended

ROOT = Path(__file__).parents[3]


class Rows:
    column_names: tuple[str, ...] = ("symbol",)

    def __init__(self, *rows: str) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[tuple[str]]:
        return ((row,) for row in self._rows)


@pytest.mark.parametrize(
    ("rows", "limit", "says"),
    [((), 5, "(0 rows)"), (("A",), 5, "(1 row)"), (("A", "B"), 1, "(1 row, and more: see --limit)")],
)
def test_rows_are_counted(rows: tuple[str, ...], limit: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    session: Any = SimpleNamespace(execute=lambda cql: Rows(*rows))
    run_statement(session, "SELECT symbol FROM t", as_json=False, limit=limit)
    assert capsys.readouterr().out.splitlines()[-1] == says


@pytest.mark.parametrize("cell", ["x [abc] y", "x [/abc] y", "x :dog: y"])
def test_a_cell_is_shown_as_it_is(cell: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = Rows(cell)
    rows.column_names = (f"{cell}!",)
    session: Any = SimpleNamespace(execute=lambda cql: rows)
    run_statement(session, "SELECT symbol FROM t", as_json=False, limit=5)
    shown = capsys.readouterr().out
    assert f" {cell} " in shown
    assert f" {cell}! " in shown


@pytest.mark.parametrize("cql", ["", " ; "])
def test_an_empty_statement_is_not_sent(cql: str) -> None:
    done = CliRunner().invoke(main, ["query", cql], prog_name="market-pipeline")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: the statement is empty: see `market-pipeline query --help`\n"


WIDE = {f"column_{number}": f"{number}.{'123456789' * 3}" for number in range(12)}


def wide_rows() -> Any:
    rows = Rows()
    rows.column_names = tuple(WIDE)
    rows.__class__ = type("WideRows", (Rows,), {"__iter__": lambda _: iter([tuple(WIDE.values())] * 2)})
    return SimpleNamespace(execute=lambda cql: rows)


def test_every_digit_of_a_wide_row_reaches_a_pipe_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    run_statement(wide_rows(), "SELECT * FROM t", as_json=False, limit=5)
    shown = capsys.readouterr().out
    (line, _) = [line for line in shown.splitlines() if WIDE["column_0"] in line]
    assert all(cell in line for cell in WIDE.values())
    assert "…" not in shown


def test_every_digit_of_a_wide_row_reaches_a_terminal_of_eighty_columns() -> None:
    shown = on_a_terminal(
        "from market_pipeline_tests.unit.cli import test_query as t\n"
        "t.run_statement(t.wide_rows(), 'SELECT * FROM t', as_json=False, limit=5)",
        columns=80,
    )
    lines = [line.rstrip() for line in shown.splitlines()]
    cells = [tuple(part.strip() for part in line.split("|")) for line in lines if "|" in line]
    assert cells == [*WIDE.items()] * 2
    assert "@ Row 2" in lines
    assert "…" not in shown


def on_a_terminal(code: str, *, columns: int) -> str:
    """What a program prints on a terminal of so many columns."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    environment["PYTHONPATH"] = str(ROOT)  # for the tests' own package
    command = [sys.executable, "-c", code]
    with ended(
        subprocess.Popen(command, stdin=follower, stdout=follower, stderr=subprocess.PIPE, env=environment)
    ) as program:
        os.close(follower)
        parts = []
        with contextlib.suppress(OSError):  # Linux says that all is read, when nobody writes any more, with EIO
            while part := os.read(leader, 65536):
                parts.append(part)
        os.close(leader)
        _, errors = program.communicate(timeout=30)
        assert program.returncode == 0, errors.decode()
    return b"".join(parts).decode()


class FailingSession:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def execute(self, cql: str) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (NoHostAvailable("Unable to complete the operation", {"127.0.0.1": "refused"}), "Cassandra went away"),
        (OperationTimedOut(), "no answer within 300 s"),
        (ReadTimeout("Replica(s) failed to respond"), "name the partition \\(docs/tables.md"),
        (ConnectionException("the connection broke"), "the connection broke"),
    ],
)
def test_what_the_driver_raises_is_told_in_one_line(error: Exception, says: str) -> None:
    session: Any = FailingSession(error)
    with pytest.raises(PipelineError, match=says):
        run_statement(session, "SELECT 1", as_json=True, limit=1)
