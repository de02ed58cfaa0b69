"""``query`` and ``cqlsh``: CQL on the terminal, as a table or as exact JSON."""

from collections.abc import Iterable

import click
from cassandra import InvalidRequest, OperationTimedOut
from cassandra.cluster import NoHostAvailable, Session
from cassandra.protocol import ErrorMessage
from rich.table import Table

from market_pipeline.cli import PipelineError, load_settings
from market_pipeline.cli.echo import echo
from market_pipeline.cli.terminal import console
from market_pipeline.store.cells import json_rows, text_cell
from market_pipeline.store.cluster import STORE_ERRORS, connect
from market_pipeline.store.failure import one_line

MAX_TABLE_ROWS = 10_000


@click.command()
@click.argument("cql")
@click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON array: decimals as exact numbers, times ISO-8601 in UTC."
)
@click.option(
    "--limit", default=MAX_TABLE_ROWS, show_default=True, type=click.IntRange(1), help="Rows shown as a table."
)
def query(cql: str, as_json: bool, limit: int) -> None:
    """Run one CQL statement and print what it returns.

    \b
    Examples:
      market-pipeline query "SELECT * FROM market_data.latest_prices"
      market-pipeline query "SELECT * FROM market_data.trades_silver LIMIT 10" --json
    """
    _check_not_empty(cql)
    settings = load_settings()
    with connect(settings, timeout_s=60) as session:
        run_statement(session, cql, as_json=as_json, limit=limit)


@click.command()
@click.option("-e", "--execute", "statement", help="Run this statement and leave.")
def cqlsh(statement: str | None) -> None:
    """An interactive CQL prompt, or with -e one statement (the runbook's `cqlsh -e`).

    \b
    Examples:
      market-pipeline cqlsh
      market-pipeline cqlsh -e "SELECT * FROM market_data.trades_silver LIMIT 10;"
    """
    if statement is not None:
        _check_not_empty(statement)
    settings = load_settings()
    with connect(settings, timeout_s=60) as session:
        if statement is not None:
            run_statement(session, statement, as_json=False, limit=MAX_TABLE_ROWS)
            return
        echo(f"connected to {', '.join(settings.contact_points)}:{settings.cql_port}; end with ; or leave with exit")
        for line in _statements():
            try:
                run_statement(session, line, as_json=False, limit=MAX_TABLE_ROWS)
            except PipelineError as error:
                error.show()


def run_statement(session: Session, cql: str, *, as_json: bool, limit: int) -> None:
    """Run and print one statement.

    Raises:
        PipelineError: Cassandra refuses it or takes too long.
    """
    try:
        result = session.execute(cql.strip().rstrip(";"))
        columns = result.column_names or []
        if as_json:
            for part in json_rows(columns, result):
                echo(part, nl=False)
            echo()
        elif columns:
            _print_table(columns, result, limit)
    except (InvalidRequest, ErrorMessage) as error:
        raise PipelineError(f"Cassandra refuses the statement: {_what_it_says(error)}") from None
    except OperationTimedOut:
        raise PipelineError("no answer within 60 s: narrow it down by the partition key, or add a LIMIT") from None
    except NoHostAvailable:
        raise PipelineError("Cassandra went away before it had answered: see `market-pipeline status`") from None
    except STORE_ERRORS as error:
        raise PipelineError(one_line(error)) from None


def _print_table(columns: Iterable[str], rows: Iterable[tuple[object, ...]], limit: int) -> None:
    table = Table()
    for column in columns:
        table.add_column(column)
    shown, more = 0, False
    for row in rows:
        if shown == limit:
            more = True
            break
        table.add_row(*map(text_cell, row))
        shown += 1
    console().print(table)
    echo(f"({shown} row{'' if shown == 1 else 's'}{', and more: see --limit' if more else ''})")


def _statements() -> Iterable[str]:
    pending: list[str] = []
    while True:
        try:
            line = input("cqlsh> " if not pending else "   ... ")
        except (EOFError, KeyboardInterrupt):
            echo()
            return
        if not pending and line.strip().rstrip(";").lower() in {"exit", "quit"}:
            return
        pending.append(line)
        if line.rstrip().endswith(";"):
            if not _is_empty(statement := " ".join(pending)):
                yield statement
            pending = []


def _is_empty(cql: str) -> bool:
    return not cql.strip(" \t\n;")


def _check_not_empty(cql: str) -> None:
    if _is_empty(cql):
        raise click.UsageError("the statement is empty")


def _what_it_says(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text.partition('message="')[2].rstrip('">') or text
