"""The SQLite file of incidents under the data dir, which sensors, jobs and the command line share."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

BUSY_WITHIN_S = 10.0
"""How long a change waits for another's to end."""


class _Connection(sqlite3.Connection):
    """Stores every text. SQLite refuses a lone surrogate, which a vendor's JSON may hold: one in an error's text would
    end every round."""

    def execute(self, sql: str, parameters: Sequence[object] = (), /) -> sqlite3.Cursor:  # type: ignore[override]
        return super().execute(sql, _storable(parameters))

    def executemany(self, sql: str, parameters: Iterable[Sequence[object]], /) -> sqlite3.Cursor:  # type: ignore[override]
        return super().executemany(sql, map(_storable, parameters))


def _storable(parameters: Sequence[object]) -> tuple[object, ...]:
    return tuple(
        each.encode("utf-8", "backslashreplace").decode() if type(each) is str else each for each in parameters
    )


class Database:
    """The file, which is made where it isn't there.

    Raises:
        sqlite3.Error: the file is none, or can't be written.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        with self.reading() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(resources.files(__package__).joinpath("tables.sql").read_text(encoding="utf-8"))

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own, for a moment."""
        connection = sqlite3.connect(self._path, timeout=BUSY_WITHIN_S, isolation_level=None, factory=_Connection)
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """One change: all of it or nothing, and nobody else's between what it reads and what it writes."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                yield connection
