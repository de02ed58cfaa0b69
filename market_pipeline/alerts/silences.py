"""The silences, kept in the incidents' file."""

import sqlite3
from dataclasses import asdict
from pathlib import Path

from market_pipeline.alerts.database import Database
from market_pipeline.alerts.silence import Silence, silence_over
from market_pipeline.mendable import Mendable


class NoSuchSilence(Mendable):
    """No silence of that number holds or is to come; one line with the cure."""


class Silences:
    """Every method raises ``sqlite3.Error`` where the file can't be used. Times are epoch seconds."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)

    def keep(self, silence: Silence, subject: str | None = None) -> Silence | None:
        """Keep a silence, unless one of the same rule and ``subject`` holds when it begins, which is returned then."""
        with self._database.changing() as connection:
            at = silence.starts_at
            if subject is not None:
                kept = silence_over(those_of(connection, at).values(), silence.rule, subject, at)
                if kept is not None:
                    return kept
            columns = asdict(silence)
            names, marks = ", ".join(columns), ", ".join("?" * len(columns))
            connection.execute(f"INSERT INTO silence ({names}) VALUES ({marks})", tuple(columns.values()))
            return None

    def not_over(self, now: float) -> dict[int, Silence]:
        """Those that hold or are to come, by their number."""
        with self._database.reading() as connection:
            return those_of(connection, now)

    def end(self, number: int, now: float) -> Silence:
        """End a silence; one that has not begun yet never begins.

        Raises:
            NoSuchSilence: there is none of that number, or it is over.
        """
        with self._database.changing() as connection:
            silence = those_of(connection, now).get(number)
            if silence is None:
                raise NoSuchSilence(f"no silence {number} holds: `market-pipeline incidents silences` shows them")
            connection.execute("UPDATE silence SET ends_at = ? WHERE number = ?", (now, number))
            return silence


def those_of(connection: sqlite3.Connection, now: float) -> dict[int, Silence]:
    """Those that are not over at ``now``, by their number."""
    rows = connection.execute(
        "SELECT number, rule, subject, author, reason, starts_at, ends_at FROM silence "
        "WHERE ends_at > ? ORDER BY number",
        (now,),
    )
    return {number: Silence(*columns) for number, *columns in rows}
