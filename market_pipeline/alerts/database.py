"""The SQLite file of incidents under the data dir, which sensors, jobs and the command line share."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from market_pipeline.mendable import Mendable

FORMAT = 1
"""The file's ``user_version``; 0 was written before there was one. Raise it with each change of a table, and bring
older files to it in ``Database``."""
BUSY_WITHIN_S = 10.0
"""How long a change waits for another's to end."""


_Parameters = Sequence[object] | Mapping[str, object]
"""By place, for ``?``, or by name, for ``:name``; Python 3.14 refuses the one for the other."""


class _Connection(sqlite3.Connection):
    """Stores every text. SQLite refuses a lone surrogate, which a vendor's JSON may hold: one in an error's text would
    end every round."""

    def execute(self, sql: str, parameters: _Parameters = (), /) -> sqlite3.Cursor:  # type: ignore[override]
        return super().execute(sql, _storable(parameters))

    def executemany(self, sql: str, parameters: Iterable[_Parameters], /) -> sqlite3.Cursor:  # type: ignore[override]
        return super().executemany(sql, map(_storable, parameters))


def _storable(parameters: _Parameters) -> _Parameters:
    if isinstance(parameters, Mapping):
        return {name: _stored(each) for name, each in parameters.items()}
    return tuple(map(_stored, parameters))


def _stored(value: object) -> object:
    return value.encode("utf-8", "backslashreplace").decode() if type(value) is str else value


def _columns(connection: sqlite3.Connection, table: str) -> dict[str, bool]:
    """The names of a table's columns, and whether each must have a value; empty of a table that there isn't."""
    return {name: bool(required) for _, name, _, required, *_ in connection.execute(f"PRAGMA table_info({table})")}


class NewerLedger(Mendable):
    """The file has a format that this version does not know; one line with the cure."""


class Database:
    """The file, which is made where it isn't there, and brought to this version's format where an older one made it.

    Raises:
        sqlite3.Error: the file is none, or can't be written.
        NewerLedger: a newer version wrote it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        with self.reading() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            if self._format(connection) < FORMAT:
                self._upgrade()
                tables = resources.files(__package__).joinpath("tables.sql").read_text(encoding="utf-8")
                connection.executescript(f"{tables}\nPRAGMA user_version = {FORMAT};")

    def _format(self, connection: sqlite3.Connection) -> int:
        (number,) = connection.execute("PRAGMA user_version").fetchone()
        if number > FORMAT:
            raise NewerLedger(
                f"{self._path} was written by a newer market-pipeline (format {number}, this one has {FORMAT}): "
                "upgrade market-pipeline, or move the file away, which forgets the incidents"
            )
        return int(number)

    def _upgrade(self) -> None:
        """Bring tables of older versions, which kept no format, to what ``tables.sql`` makes where there are none."""
        with self.changing() as connection:
            if "kind" not in _columns(connection, "unknown"):  # the next look finds out anew what it held
                connection.execute("DROP TABLE IF EXISTS unknown")
            if _columns(connection, "outcome").get("worked"):
                columns = "number, incident, run, at, worked, text"
                connection.execute("ALTER TABLE outcome RENAME TO older_outcome")
                connection.execute(
                    "CREATE TABLE outcome (number INTEGER PRIMARY KEY AUTOINCREMENT, incident TEXT NOT NULL, "
                    "run TEXT NOT NULL, at REAL NOT NULL, worked INTEGER, text TEXT NOT NULL)"
                )
                connection.execute(f"INSERT INTO outcome ({columns}) SELECT {columns} FROM older_outcome")
                connection.execute("DROP TABLE older_outcome")

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
