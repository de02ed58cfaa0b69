"""Replaces what a gold table says of one UTC day, without a moment in which a reader finds nothing.

Every row of the day is written before those that should not be there are deleted, all with one write time: the moment
before the trades were read. So of two builds at once the one that read later wins, whichever ends first. Where bronze
may lack trades of the day, a row that counts more of them than bronze has stays.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args

from market_pipeline.model import Column
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import CONCURRENT_STATEMENTS


class Replaced(NamedTuple):
    """How many rows were written, how many the day had that it should not have had, and how many were kept although
    bronze does not have all of their trades."""

    written: int
    removed: int
    kept: int = 0


class Plan(NamedTuple):
    """What is to be done with a day: rows to write, and symbols whose row is deleted or left as it is."""

    write: list[Mapping[str, Any]]
    remove: list[str]
    keep: list[str]


def plan(rows: Sequence[Mapping[str, Any]], stored: Mapping[str, int], *, may_lack: bool) -> Plan:
    """What makes a day's rows those of the batch.

    Args:
        rows: the batch's, one a symbol.
        stored: how many trades each stored row counts, by symbol.
        may_lack: bronze may lack trades of the day.
    """
    counts = {row["symbol"]: row["trades"] for row in rows}
    keep = {symbol for symbol, trades in stored.items() if may_lack and trades > counts.get(symbol, -1)}
    return Plan(
        [row for row in rows if row["symbol"] not in keep], sorted(stored.keys() - counts.keys() - keep), sorted(keep)
    )


def replace_day(
    session: Session,
    settings: Settings,
    table: str,
    columns: Sequence[Column],
    day: date,
    rows: Sequence[Mapping[str, Any]],
    as_of_us: int,
    *,
    may_lack: bool,
) -> Replaced:
    """Make ``rows`` all that a table with the key (symbol, day) holds of ``day``, or all that it may be sure of.

    Args:
        session: an open session.
        settings: for the keyspace.
        table: its name.
        columns: its columns; what a row lacks is null.
        day: a UTC day.
        rows: one a symbol.
        as_of_us: when the reading of the trades began, epoch microseconds.
        may_lack: bronze may lack trades of the day.
    """
    names = [column.name for column in columns]
    insert = session.prepare(
        f"INSERT INTO {settings.keyspace}.{table} ({', '.join(names)}) "
        f"VALUES ({', '.join('?' * len(names))}) USING TIMESTAMP ?"
    )
    remove = session.prepare(f"DELETE FROM {settings.keyspace}.{table} USING TIMESTAMP ? WHERE symbol = ? AND day = ?")
    found = plan(rows, trades_of_rows(session, settings, table, day), may_lack=may_lack)
    complete = [{**row, "day": day} for row in found.write]
    _run(session, insert, [(*(row.get(name) for name in names), as_of_us) for row in complete])
    _run(session, remove, [(as_of_us, symbol, day) for symbol in found.remove])
    return Replaced(len(complete), len(found.remove), len(found.keep))


def trades_of_rows(session: Session, settings: Settings, table: str, day: date) -> dict[str, int]:
    """The symbols that the table has a row of on that day, and how many trades each row counts."""
    every = [row.symbol for row in session.execute(f"SELECT DISTINCT symbol FROM {settings.keyspace}.{table}")]
    ask = session.prepare(f"SELECT symbol, trades FROM {settings.keyspace}.{table} WHERE symbol = ? AND day = ?")
    answers = execute_concurrent_with_args(session, ask, [(s, day) for s in every], concurrency=CONCURRENT_STATEMENTS)
    return {row.symbol: row.trades or 0 for _, found in answers for row in found}


def _run(session: Session, statement: Any, arguments: list[tuple[Any, ...]]) -> None:
    execute_concurrent_with_args(
        session, statement, arguments, concurrency=CONCURRENT_STATEMENTS, raise_on_first_error=True
    )
