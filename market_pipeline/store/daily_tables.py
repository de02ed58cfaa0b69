"""Replaces what a gold table says of one UTC day, without a moment in which a reader finds nothing.

Every row of the day is written before those that should not be there are deleted, all with one write time: the moment
before the trades were read. So of two builds at once the one that read later wins, whichever ends first.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args

from market_pipeline.model import Column
from market_pipeline.settings import Settings

CONCURRENT_STATEMENTS = 32


class Replaced(NamedTuple):
    """How many rows the day has now, and how many it had that it should not have had."""

    written: int
    removed: int


def replace_day(
    session: Session,
    settings: Settings,
    table: str,
    columns: Sequence[Column],
    day: date,
    rows: Sequence[Mapping[str, Any]],
    as_of_us: int,
) -> Replaced:
    """Make ``rows`` all that a table with the key (symbol, day) holds of ``day``.

    Args:
        session: an open session.
        settings: for the keyspace.
        table: its name.
        columns: its columns; what a row lacks is null.
        day: a UTC day.
        rows: one a symbol.
        as_of_us: when the reading of the trades began, epoch microseconds.
    """
    names = [column.name for column in columns]
    insert = session.prepare(
        f"INSERT INTO {settings.keyspace}.{table} ({', '.join(names)}) "
        f"VALUES ({', '.join('?' * len(names))}) USING TIMESTAMP ?"
    )
    remove = session.prepare(f"DELETE FROM {settings.keyspace}.{table} USING TIMESTAMP ? WHERE symbol = ? AND day = ?")
    complete = [{**row, "day": day} for row in rows]
    _run(session, insert, [(*(row.get(name) for name in names), as_of_us) for row in complete])
    extra = symbols_of_day(session, settings, table, day) - {row["symbol"] for row in complete}
    _run(session, remove, [(as_of_us, symbol, day) for symbol in sorted(extra)])
    return Replaced(len(complete), len(extra))


def symbols_of_day(session: Session, settings: Settings, table: str, day: date) -> set[str]:
    """The symbols that the table has a row of on that day."""
    every = [row.symbol for row in session.execute(f"SELECT DISTINCT symbol FROM {settings.keyspace}.{table}")]
    ask = session.prepare(f"SELECT symbol FROM {settings.keyspace}.{table} WHERE symbol = ? AND day = ?")
    answers = execute_concurrent_with_args(session, ask, [(s, day) for s in every], concurrency=CONCURRENT_STATEMENTS)
    return {row.symbol for _, found in answers for row in found}


def gap_spans(session: Session, settings: Settings, symbol: str, days: Sequence[date]) -> Iterator[tuple[Any, Any]]:
    """Start and end (UTC, without a zone; no end: it lasts) of the feed's down-times that began on the days."""
    ask = session.prepare(
        f"SELECT started_at, ended_at FROM {settings.keyspace}.feed_gaps WHERE symbol = ? AND day = ?"
    )
    for day in days:
        for row in session.execute(ask, (symbol, day)):
            yield row.started_at, row.ended_at


def _run(session: Session, statement: Any, arguments: list[tuple[Any, ...]]) -> None:
    execute_concurrent_with_args(
        session, statement, arguments, concurrency=CONCURRENT_STATEMENTS, raise_on_first_error=True
    )
