"""``query`` when Cassandra goes away: one line, no stack trace."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from cassandra import OperationTimedOut
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionException
from click.testing import CliRunner

from market_pipeline.cli import PipelineError, main
from market_pipeline.cli.query import run_statement


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
@pytest.mark.parametrize("command", [("query",), ("cqlsh", "-e")])
def test_an_empty_statement_is_not_sent(command: tuple[str, ...], cql: str) -> None:
    done = CliRunner().invoke(main, [*command, cql], prog_name="market-pipeline")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"error: the statement is empty: see `market-pipeline {command[0]} --help`\n"


class FailingSession:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def execute(self, cql: str) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (NoHostAvailable("Unable to complete the operation", {"127.0.0.1": "refused"}), "Cassandra went away"),
        (OperationTimedOut(), "no answer within 60 s"),
        (ConnectionException("the connection broke"), "the connection broke"),
    ],
)
def test_what_the_driver_raises_is_told_in_one_line(error: Exception, says: str) -> None:
    session: Any = FailingSession(error)
    with pytest.raises(PipelineError, match=says):
        run_statement(session, "SELECT 1", as_json=True, limit=1)
