"""What the runs of remedies for an incident came to: kept by the run, told wherever the incident is told."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from market_pipeline.alerts.database import Database

_COLUMNS = "incident, run, at, worked, text"


@dataclass(frozen=True)
class Outcome:
    """One of them.

    Attributes:
        incident: for which it was.
        run: Dagster's id of it.
        at: when it was known, epoch seconds.
        worked: whether the remedy did what it is for; whether that helped, the looks tell. None: it had nothing to do.
        text: what was done, or why not, in one line.
    """

    incident: str
    run: str
    at: float
    worked: bool | None
    text: str

    def __str__(self) -> str:
        return f"{named(self.run)} {'failed ' if self.worked is False else ''}({self.text})"


def named(run: str) -> str:
    """A run, as people know it by Dagster's page."""
    return f"run {run[:8]}"


class Outcomes:
    """In the incidents' file. Every method raises ``sqlite3.Error`` where that can't be used."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)

    def keep(self, outcome: Outcome) -> None:
        """Keep what a run did; one run may do several things."""
        with self._database.changing() as connection:
            connection.execute(
                f"INSERT INTO outcome ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)",
                (outcome.incident, outcome.run, outcome.at, outcome.worked, outcome.text),
            )

    def of(self, incident: str) -> list[Outcome]:
        """Those for an incident, the oldest first."""
        with self._database.reading() as connection:
            return _outcomes(connection, "incident = ?", incident)


def healers(connection: sqlite3.Connection) -> dict[str, list[tuple[float, str]]]:
    """By the id of each incident that is not over, what each run did for it that worked, and when it was done."""
    not_over = "worked AND incident IN (SELECT id FROM incident WHERE state <> 'resolved')"
    runs: dict[tuple[str, str], list[Outcome]] = {}
    for each in _outcomes(connection, not_over):
        runs.setdefault((each.incident, each.run), []).append(each)
    found: dict[str, list[tuple[float, str]]] = {}
    for (incident, run), did in runs.items():
        what = "; ".join(each.text for each in did)
        found.setdefault(incident, []).append((did[-1].at, f"{named(run)} ({what})"))
    return found


def _outcomes(connection: sqlite3.Connection, where: str, *values: object) -> list[Outcome]:
    rows = connection.execute(f"SELECT {_COLUMNS} FROM outcome WHERE {where} ORDER BY number", values)
    return [
        Outcome(incident, run, at, None if worked is None else bool(worked), text)
        for incident, run, at, worked, text in rows
    ]
