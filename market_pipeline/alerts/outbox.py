"""What is still to be told, in the incidents' file: kept until Slack has it, handed over by one at a time.

What was handed over and never confirmed may have arrived or not: it is looked for before it is sent again.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from market_pipeline.alerts.database import Database
from market_pipeline.alerts.incident import Incident
from market_pipeline.alerts.ledger import incident_from
from market_pipeline.alerts.refusals import wait_s

CLAIM_S = 120.0
"""Longer than a delivery takes; whoever died while delivering is followed after it."""


@dataclass(frozen=True)
class Thread:
    """Where an incident's message is: ``ts`` is Slack's name of it, None while it is not known to have arrived."""

    channel: str
    ts: str | None


@dataclass(frozen=True)
class Line:
    """A change that is still to be told; ``tried`` when it was handed over and is not known to have arrived."""

    number: int
    change: str
    at: float
    contact: str
    text: str
    tried: bool


@dataclass(frozen=True)
class Parcel:
    """What is to be told of one incident, in order."""

    incident: Incident
    thread: Thread | None
    lines: tuple[Line, ...]


class Outbox:
    """The part of the file that delivery needs. Times are epoch seconds."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)

    @contextmanager
    def claimed(self, now: float) -> Iterator[bool]:
        """Whether it is for us to deliver: nobody else does, and Slack did not ask for more patience."""
        with self._database.changing() as connection:
            connection.execute("INSERT OR IGNORE INTO delivery VALUES (1, 0, 0, 0, NULL)")
            taken = connection.execute(
                "UPDATE delivery SET claimed_until = ? WHERE claimed_until <= ? AND not_before <= ?",
                (now + CLAIM_S, now, now),
            )
            ours = taken.rowcount == 1
        try:
            yield ours
        finally:
            if ours:
                with self._database.changing() as connection:
                    connection.execute("UPDATE delivery SET claimed_until = 0")

    def renew_claim(self, now: float) -> None:
        """It goes on: a slow Slack takes longer for many messages than for one."""
        with self._database.changing() as connection:
            connection.execute("UPDATE delivery SET claimed_until = ?", (now + CLAIM_S,))

    def due(self) -> list[Parcel]:
        """What is still to be told, the oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT incident, number, change, at, contact, text, tried_at IS NOT NULL FROM transition "
                "WHERE posted_at IS NULL AND withheld IS NULL ORDER BY number"
            ).fetchall()
            lines: dict[str, list[Line]] = {}
            for incident, number, change, at, contact, text, tried in rows:
                lines.setdefault(incident, []).append(Line(number, change, at, contact, text, bool(tried)))
            return [
                Parcel(_incident(connection, each), _thread(connection, each), tuple(lines[each])) for each in lines
            ]

    def thread(self, incident: str) -> Thread | None:
        """Where an incident's message is; None of one that nobody was told of."""
        with self._database.reading() as connection:
            return _thread(connection, incident)

    def trying_thread(self, incident: str, channel: str, now: float) -> None:
        """The message of an incident is about to be handed over."""
        with self._database.changing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO thread (incident, channel, tried_at, ts) VALUES (?, ?, ?, NULL)",
                (incident, channel, now),
            )

    def has_thread(self, incident: str, ts: str) -> None:
        """Slack has the message, under this name."""
        with self._database.changing() as connection:
            connection.execute("UPDATE thread SET ts = ? WHERE incident = ?", (ts, incident))

    def trying(self, number: int, now: float) -> None:
        """A line is about to be handed over."""
        with self._database.changing() as connection:
            connection.execute("UPDATE transition SET tried_at = ? WHERE number = ?", (now, number))

    def posted(self, number: int, now: float) -> None:
        """Slack has the line."""
        with self._database.changing() as connection:
            connection.execute("UPDATE transition SET posted_at = ? WHERE number = ?", (now, number))

    def failed(self, error: str, now: float, retry_after_s: float | None) -> float:
        """Slack did not take it; returns the seconds until the next try: those that it asked for, or more each time."""
        with self._database.changing() as connection:
            (failures,) = connection.execute("SELECT failures FROM delivery").fetchone()
            wait = wait_s(failures + 1)
            wait = max(wait, retry_after_s) if retry_after_s is not None else wait
            connection.execute(
                "UPDATE delivery SET failures = ?, not_before = ?, error = ?", (failures + 1, now + wait, error)
            )
            return float(wait)

    def delivered(self) -> None:
        """Slack takes messages."""
        with self._database.changing() as connection:
            connection.execute("UPDATE delivery SET failures = 0, not_before = 0, error = NULL")

    def trouble(self) -> str | None:
        """Why messages wait, the delivery before a channel or a message; None when none does."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT error FROM delivery WHERE error IS NOT NULL UNION ALL "
                "SELECT error FROM (SELECT error FROM refusal ORDER BY at DESC) LIMIT 1"
            ).fetchone()
            return row[0] if row is not None else None


def _incident(connection: sqlite3.Connection, incident: str) -> Incident:
    (document,) = connection.execute("SELECT document FROM incident WHERE id = ?", (incident,)).fetchone()
    return incident_from(document)


def _thread(connection: sqlite3.Connection, incident: str) -> Thread | None:
    row = connection.execute("SELECT channel, ts FROM thread WHERE incident = ?", (incident,)).fetchone()
    return None if row is None else Thread(*row)
