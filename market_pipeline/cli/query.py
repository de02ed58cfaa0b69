"""``query``: one CQL statement, as a table that shows every digit or as exact JSON."""

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click
from cassandra import InvalidRequest, OperationTimedOut, ReadTimeout
from cassandra.cluster import NoHostAvailable, Session
from cassandra.protocol import ErrorMessage, SyntaxException
from rich.cells import cell_len
from rich.status import Status
from rich.table import Table

from market_pipeline.cli import PipelineError, load_settings
from market_pipeline.cli.echo import echo
from market_pipeline.cli.terminal import console
from market_pipeline.escaping import for_terminal
from market_pipeline.mendable import InvalidInput
from market_pipeline.settings import Settings
from market_pipeline.store.cells import json_rows, text_cell
from market_pipeline.store.cluster import STORE_ERRORS, connect
from market_pipeline.store.failure import one_line
from market_pipeline.store.keys import key_hint, needs_key, table_of

MAX_TABLE_ROWS = 10_000
TIMEOUT_S = 300
"""Of one page of rows; a count of a whole table is one."""
SAY_EVERY_S = 0.2
_BORDER, _PADDING = 1, 3
"""Columns that a table takes besides its cells: one on the left, and three a cell."""


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

    A table needs no keyspace before its name. What is too wide for the terminal is printed a column a line.

    \b
    Examples:
      market-pipeline query "SELECT * FROM latest_prices"
      market-pipeline query "SELECT count(*) FROM trades_silver"
      market-pipeline query "SELECT * FROM trades_silver LIMIT 10" --json
    """
    if not cql.strip(" \t\n;"):
        raise click.UsageError("the statement is empty")
    settings = load_settings()
    with connect(settings, timeout_s=TIMEOUT_S) as session:
        _use_keyspace(session, settings)
        run_statement(session, cql, as_json=as_json, limit=limit)


def run_statement(session: Session, cql: str, *, as_json: bool, limit: int) -> None:
    """Run and print one statement; a long one shows on standard error how far it is.

    Raises:
        InvalidInput: it is no CQL, or of no table that there is.
        PipelineError: Cassandra fails or takes too long.
    """
    try:
        # JSON on the terminal is not mixed with what is on its way
        progress = console(err=True)
        progress.quiet = as_json and sys.stdout.isatty()
        with progress.status("waiting for Cassandra …") as waiting:
            result = session.execute(cql.strip().rstrip(";"))
            columns = result.column_names or []
            rows = _counted(result, waiting)
            if as_json:
                for part in json_rows(columns, rows):
                    echo(part, nl=False)
                echo()
                return
            shown, more = _texts(rows, limit) if columns else ([], False)
        if columns:
            _print_table([for_terminal(column) for column in columns], shown, more)
    except (ReadTimeout, OperationTimedOut) as error:
        raise PipelineError(_too_long(error)) from None
    except (InvalidRequest, SyntaxException) as error:
        raise InvalidInput(_refused(session, cql, error)) from None
    except ErrorMessage as error:
        raise PipelineError(_refused(session, cql, error)) from None
    except NoHostAvailable:
        raise PipelineError("Cassandra went away before it had answered: see `market-pipeline status`") from None
    except STORE_ERRORS as error:
        raise PipelineError(one_line(error)) from None


def _use_keyspace(session: Session, settings: Settings) -> None:
    """Have names without a keyspace mean the pipeline's; before ``init`` there is none, and Cassandra says so."""
    try:
        session.set_keyspace(settings.keyspace)
    except (InvalidRequest, ErrorMessage):
        return
    except STORE_ERRORS as error:
        raise PipelineError(one_line(error)) from None


def _counted(rows: Iterable[tuple[object, ...]], waiting: Status) -> Iterator[tuple[object, ...]]:
    said = time.monotonic()
    for number, row in enumerate(rows, 1):
        if time.monotonic() > said + SAY_EVERY_S:
            said = time.monotonic()
            waiting.update(f"{number:,} rows …")
        yield row


def _texts(rows: Iterable[tuple[object, ...]], limit: int) -> tuple[list[list[str]], bool]:
    """The first ``limit`` rows as text, and whether there are more."""
    shown: list[list[str]] = []
    for row in rows:
        if len(shown) == limit:
            return shown, True
        shown.append([for_terminal(text_cell(cell)) for cell in row])
    return shown, False


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], more: bool) -> None:
    width = _BORDER + sum(
        _PADDING + max(cell_len(line) for text in (column, *cells) for line in text.splitlines() or [""])
        for column, *cells in zip(columns, *rows, strict=True)
    )
    out = console()
    if width <= out.width or not sys.stdout.isatty():
        out.width = max(width, out.width)
        table = Table(*columns)
        for row in rows:
            table.add_row(*row)
        out.print(table)
    else:
        for line in vertical(columns, rows):
            echo(line)
    echo(f"({len(rows)} row{'' if len(rows) == 1 else 's'}{', and more: see --limit' if more else ''})")


def vertical(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Rows a column a line, as cqlsh's EXPAND prints them."""
    widest = max(map(cell_len, columns), default=0)
    for number, row in enumerate(rows, 1):
        yield f"@ Row {number}"
        for column, cell in zip(columns, row, strict=True):
            yield f" {column}{' ' * (widest - cell_len(column))} | {cell}"
        yield ""


def _too_long(error: Exception) -> str:
    ended = "Cassandra ended the read" if isinstance(error, ReadTimeout) else f"no answer within {TIMEOUT_S} s"
    return (
        f"{ended}: name the partition (docs/tables.md has each table's key and example queries) or add a LIMIT; "
        "a Cassandra of your own needs a range_request_timeout above the time that a count of a whole table takes"
    )


def _refused(session: Session, cql: str, error: Exception) -> str:
    said = _what_it_says(error)
    named = table_of(cql)
    if named is not None and needs_key(said):
        key = _partition_key(session, named[0] or session.keyspace, named[1])
        if key:
            return key_hint(named[1], key, said)
    return f"Cassandra refuses the statement: {said}"


def _partition_key(session: Session, keyspace: str | None, table: str) -> list[str]:
    """Its columns in their order; none where there is no such table."""
    ask = "SELECT column_name, kind, position FROM system_schema.columns WHERE keyspace_name = %s AND table_name = %s"
    columns: list[Any] = []
    with contextlib.suppress(*STORE_ERRORS):  # without a hint the refusal itself is shown
        columns = list(session.execute(ask, (keyspace or "", table)))
    key = sorted((column.position, column.column_name) for column in columns if column.kind == "partition_key")
    return [name for _, name in key]


def _what_it_says(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text.partition('message="')[2].rstrip('">') or text
