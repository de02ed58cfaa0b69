"""Remedies that people ask for: kept until Dagster's sensor has asked for the run, each once however often it is
clicked."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from market_pipeline.alerts.database import Database

TOO_OLD_S = 600.0
"""A wish that nobody took for so long, because no Dagster ran, is none any more."""
GIVEN_FOR_S = 60.0
"""A sensor's tick may fail after it took a request: it is given again for so long, and Dagster makes one run of it."""
AT_ONCE_S = 5.0
"""Of two who click at once, the one that is later in the file may have looked at the clock first."""
AGAIN_AFTER_S = 120.0
"""A click so soon after another is the same wish: a double click, or a message that Slack sent twice."""


@dataclass(frozen=True)
class Request:
    """Somebody wants a remedy run.

    Attributes:
        number: of the request.
        incident: the id of the incident that it is for.
        subject: of that incident.
        remedy: Dagster's job.
        by: who asked.
        at: when, epoch seconds.
    """

    number: int
    incident: str
    subject: str
    remedy: str
    by: str
    at: float

    @property
    def key(self) -> str:
        """The same for the same wish, whoever reads it."""
        return f"{self.incident}#asked-{self.number}"


class Requests:
    """In the incidents' file. Every method raises ``sqlite3.Error`` where that can't be used."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)

    def ask(self, incident: str, subject: str, remedy: str, by: str, now: float) -> tuple[Request, bool]:
        """Ask for a remedy; returns the request, and whether it is a new one and not another's of just before."""
        with self._database.changing() as connection:
            row = connection.execute(
                "SELECT number, incident, subject, remedy, by, at FROM request WHERE incident = ? AND remedy = ? "
                "AND at BETWEEN ? AND ? ORDER BY number DESC LIMIT 1",
                (incident, remedy, now - AGAIN_AFTER_S, now + AT_ONCE_S),
            ).fetchone()
            if row is not None:
                return Request(*row), False
            number = connection.execute(
                "INSERT INTO request (incident, subject, remedy, by, at) VALUES (?, ?, ?, ?, ?)",
                (incident, subject, remedy, by, now),
            ).lastrowid
            return Request(number or 0, incident, subject, remedy, by, now), True

    def take(self, now: float) -> list[Request]:
        """Those that nobody has taken yet, or only just, the oldest first, whose incident is not over."""
        with self._database.changing() as connection:
            found = _requests(
                connection,
                "coalesce(taken_at > ?, at > ?) AND incident NOT IN (SELECT id FROM incident WHERE state = 'resolved')",
                *(now - GIVEN_FOR_S, now - TOO_OLD_S),
            )
            connection.execute("UPDATE request SET taken_at = ? WHERE taken_at IS NULL", (now,))
            return found

    def of(self, incident: str) -> list[Request]:
        """Those for an incident, the oldest first."""
        with self._database.reading() as connection:
            return _requests(connection, "incident = ?", incident)


def _requests(connection: sqlite3.Connection, where: str, *values: object) -> list[Request]:
    columns = "number, incident, subject, remedy, by, at"
    rows = connection.execute(f"SELECT {columns} FROM request WHERE {where} ORDER BY number", values)
    return [Request(*row) for row in rows]
