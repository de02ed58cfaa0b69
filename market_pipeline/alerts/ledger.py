"""The ledger of incidents: what is wrong, what was, and what became of it.

Every change is one transaction that reads, judges and writes, so that two daemons that judge the same at once make one
incident of it, and an ack that comes between two looks is not overwritten.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from market_pipeline.alerts import engine, healing
from market_pipeline.alerts.database import Database
from market_pipeline.alerts.engine import Board
from market_pipeline.alerts.healing import Attempt
from market_pipeline.alerts.incident import Incident, State, Transition
from market_pipeline.alerts.outcomes import healers
from market_pipeline.alerts.program_ends import restarts
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.rules.programs import DOWN
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.alerts.silences import those_of
from market_pipeline.mendable import InvalidInput

EVERYTHING, PROGRAMS = "everything", "programs"
"""The kinds of looks."""
REPORTED_WITHIN_S = 3 * 86_400.0
REPORTS_AT_ONCE = 2
"""Each asks Kafka and Cassandra, and a sensor has its limit."""


class NoSuchIncident(InvalidInput):
    """There is no incident of that id, or of that beginning; one line with the cure."""


class SeveralIncidents(NoSuchIncident):
    """Several begin so; one line with the cure."""


@dataclass(frozen=True)
class Entry:
    """One line of an incident's history.

    Attributes:
        change: a ``Change``.
        at: when, epoch seconds.
        contact: who was to be told, or who did it.
        withheld: why nobody was told; None where somebody was.
        text: what was seen then.
    """

    change: str
    at: float
    contact: str
    withheld: str | None
    text: str


class Ledger:
    """The ledger in its file. Every method raises ``sqlite3.Error`` where that can't be used."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)

    def judge(
        self, signals: Iterable[Signal], rules: Mapping[str, Rule], now: float | None = None, kind: str = EVERYTHING
    ) -> tuple[Transition, ...]:
        """Take in what was seen; returns what became of it.

        ``now`` (epoch seconds) is this moment, unless told: of two who judge at once the later one's has to be later,
        or the clock would seem to have been set back. ``kind`` is that of the look.
        """
        signals = list(signals)
        with self._database.changing() as connection:
            now = time.time() if now is None else now
            _move_tries(connection, now)
            signals = [_unless_ended(connection, each) for each in signals]
            silences = those_of(connection, now).values()
            step = engine.step(_board(connection), signals, rules, silences, now, _healers(connection, rules))
            _forget_suspicions(connection, step.board)
            over = [each.incident for each in step.transitions if each.incident.state is State.RESOLVED]
            for incident in (*over, *step.board.incidents.values()):
                _keep(connection, incident)
            for transition in step.transitions:
                _note(connection, transition)
            _keep_look(connection, kind, signals, now)
            connection.execute("INSERT OR REPLACE INTO board VALUES (1, ?)", (now,))
            return step.transitions

    def ack(self, incident: str, by: str, now: float) -> Transition | None:
        """Take an incident on; None when it was, or when it is over. ``incident`` is an id or its beginning.

        Raises:
            NoSuchIncident: there is none.
        """
        return self._by_hand(incident, lambda found: engine.ack(found, by, now))

    def resolve(self, incident: str, by: str, now: float) -> Transition | None:
        """End an incident by hand; None when it is over.

        Raises:
            NoSuchIncident: there is none.
        """
        return self._by_hand(incident, lambda found: engine.resolve(found, by, now))

    def stopped(self, rules: Mapping[str, Rule], now: float) -> list[Incident]:
        """End what only a running pipeline can evaluate; returns what was open of it."""
        with self._database.changing() as connection:
            step = engine.stop(_board(connection), rules, now)
            _forget_suspicions(connection, step.board)
            connection.execute("DELETE FROM unknown")
            for transition in step.transitions:
                _keep(connection, transition.incident)
                _note(connection, transition)
            return [each.incident for each in step.transitions]

    def inherited(self, now: float) -> list[Incident]:
        """Note of each open incident that a new start found it; returns them, the worst first."""
        with self._database.changing() as connection:
            transitions = list(engine.inherit(_board(connection), now))
            for transition in transitions:
                _note(connection, transition)
            return [each.incident for each in transitions]

    def attempts(self, rules: Mapping[str, Rule], now: float) -> list[Attempt]:
        """The remedies whose time has come; each is given once."""
        with self._database.changing() as connection:
            tried: dict[str, list[float]] = {}
            for incident, at in connection.execute("SELECT incident, at FROM attempt ORDER BY number"):
                tried.setdefault(incident, []).append(at)
            due = list(healing.due(_board(connection).incidents.values(), rules, tried, now))
            connection.executemany(
                "INSERT INTO attempt VALUES (?, ?, ?, ?)", [(a.incident, a.number, now, a.remedy) for a in due]
            )
            return due

    def is_well(self, incident: str) -> bool:
        """Whether the incident of that id is over, or seems to be; one that there isn't needs nothing either."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT document FROM incident WHERE id = ?", (incident,)).fetchone()
            if row is None:
                return True
            found = incident_from(row[0])
            return found.state is State.RESOLVED or found.clear_since is not None

    def unreported(self, now: float) -> list[str]:
        """The incidents that are over and of which there is no report yet, some of the oldest; of the last days."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT id FROM incident WHERE resolved_at > ? AND opened_at IS NOT NULL "
                "AND id NOT IN (SELECT incident FROM report) ORDER BY resolved_at LIMIT ?",
                (now - REPORTED_WITHIN_S, REPORTS_AT_ONCE),
            )
            return [incident for (incident,) in rows]

    def reported(self, incident: str, now: float) -> None:
        """There is a report of it."""
        with self._database.changing() as connection:
            connection.execute("INSERT OR IGNORE INTO report VALUES (?, ?)", (incident, now))

    def tried(self, incident: str) -> list[tuple[float, str]]:
        """When which remedy was asked for by itself, of the incident of that id."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT at, remedy FROM attempt WHERE incident = ? ORDER BY number", (incident,))
            return [(float(at), str(remedy)) for at, remedy in rows]

    def judged_at(self) -> float | None:
        """When everything was looked at last, epoch seconds; None when it never was."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT at FROM look WHERE kind = ?", (EVERYTHING,)).fetchone()
            return None if row is None else float(row[0])

    def unknown(self) -> list[tuple[str, str]]:
        """The rules of which the newest looks could not tell whether all is well, and why."""
        with self._database.reading() as connection:
            return list(connection.execute("SELECT rule, text FROM unknown ORDER BY rule, subject"))

    def not_over(self) -> list[Incident]:
        """The incidents that are facts and not over, the worst first and then the oldest."""
        with self._database.reading() as connection:
            return list(engine.active(_board(connection)))

    def since(self, at: float) -> list[Incident]:
        """Every incident that was opened at ``at`` (epoch seconds) or later, or is not over; the newest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT document FROM incident WHERE opened_at >= ? OR state IN ('open', 'acked') ORDER BY since DESC",
                (at,),
            )
            return [incident_from(document) for (document,) in rows]

    def first(self, change: str, since: float) -> dict[str, float]:
        """When each incident first had such a change at ``since`` (epoch seconds) or later, by its id."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT incident, min(at) FROM transition WHERE change = ? AND at >= ? GROUP BY incident",
                (change, since),
            )
            return {incident: float(at) for incident, at in rows}

    def show(self, incident: str) -> tuple[Incident, list[Entry]]:
        """An incident by its id or the beginning of it, and its history in order.

        Raises:
            NoSuchIncident: there is none.
        """
        with self._database.reading() as connection:
            found = _found(connection, incident)
            rows = connection.execute(
                "SELECT change, at, contact, withheld, text FROM transition WHERE incident = ? ORDER BY number",
                (found.id,),
            )
            return found, [Entry(*row) for row in rows]

    def _by_hand(self, incident: str, act: Callable[[Incident], Transition | None]) -> Transition | None:
        with self._database.changing() as connection:
            transition = act(_found(connection, incident))
            if transition is not None:
                _keep(connection, transition.incident)
                _note(connection, transition)
            return transition


def _board(connection: sqlite3.Connection) -> Board:
    rows = connection.execute("SELECT document FROM incident WHERE state <> 'resolved'")
    incidents = (incident_from(document) for (document,) in rows)
    return Board(_judged_at(connection), {each.key: each for each in incidents})


def _healers(connection: sqlite3.Connection, rules: Mapping[str, Rule]) -> dict[str, list[tuple[float, str]]]:
    """What may have ended each incident, in order: what runs of remedies did, and new starts by the supervisor. Of a
    service that does not stay up those are what is wrong."""
    found = restarts(connection, {rule.id for rule in rules.values() if rule.is_of_a_service} - {DOWN.id})
    for incident, did in healers(connection).items():
        found[incident] = sorted([*found.get(incident, ()), *did])
    return found


def _judged_at(connection: sqlite3.Connection) -> float:
    (at,) = connection.execute("SELECT coalesce(max(at), 0.0) FROM board").fetchone()
    return float(at)


def _move_tries(connection: sqlite3.Connection, now: float) -> None:
    """With a clock that was set back, as the engine moves what is on the board: no try waits for it to catch up."""
    back = now - _judged_at(connection)
    if back < 0:
        of_open = "incident IN (SELECT id FROM incident WHERE state <> 'resolved')"
        connection.execute(f"UPDATE attempt SET at = at + ? WHERE {of_open}", (back,))


def _found(connection: sqlite3.Connection, incident: str) -> Incident:
    """The one of that id, else the only one whose id begins so, those that are over aside where one is not; of several
    of one rule and subject the newest."""
    rows = connection.execute(
        "SELECT document FROM incident WHERE opened_at IS NOT NULL AND substr(id, 1, ?) = ? ORDER BY since DESC",
        (len(incident), incident),
    )
    found = [incident_from(document) for (document,) in rows]
    for some in ([each for each in found if each.id == incident], [each for each in found if each.is_active], found):
        if len({each.key for each in some}) == 1:
            return some[0]
    if found:
        examples = ", ".join(each.id for each in found[:3])
        raise SeveralIncidents(f"{len(found)} incidents begin with {incident}, such as {examples}: give the whole id")
    raise NoSuchIncident(f"there is no incident {incident}: `market-pipeline incidents list --all` shows them")


def _forget_suspicions(connection: sqlite3.Connection, board: Board) -> None:
    """What was only suspected and was nothing leaves no trace."""
    kept = {incident.id for incident in board.incidents.values()}
    pending = connection.execute("SELECT id FROM incident WHERE state = 'pending'").fetchall()
    connection.executemany("DELETE FROM incident WHERE id = ?", [each for each in pending if each[0] not in kept])


def _unless_ended(connection: sqlite3.Connection, signal: Signal) -> Signal:
    """What a run of Dagster's shows and somebody has ended is over until another run shows it."""
    run = signal.evidence.get("run")
    if signal.verdict is not Verdict.FAULT or run is None:
        return signal
    row = connection.execute(
        "SELECT document FROM incident WHERE rule = ? AND subject = ? ORDER BY since DESC LIMIT 1",
        (signal.rule, signal.subject),
    ).fetchone()
    newest = incident_from(row[0]) if row is not None else None
    over = newest is not None and newest.state is State.RESOLVED and newest.evidence.get("run") == run
    return replace(signal, verdict=Verdict.FINE) if over else signal


def _keep_look(connection: sqlite3.Connection, kind: str, signals: Iterable[Signal], now: float) -> None:
    connection.execute("INSERT OR REPLACE INTO look VALUES (?, ?)", (kind, now))
    connection.execute("DELETE FROM unknown WHERE kind = ?", (kind,))
    unknown = [(kind, each.rule, each.subject, each.text) for each in signals if each.verdict is Verdict.UNKNOWN]
    connection.executemany("INSERT INTO unknown VALUES (?, ?, ?, ?)", unknown)


def _keep(connection: sqlite3.Connection, incident: Incident) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO incident VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(incident.id, incident.rule, incident.subject, incident.severity, incident.state),
            *(incident.since, incident.opened_at, incident.resolved_at),
            json.dumps(asdict(incident), default=str),
        ),
    )


def _note(connection: sqlite3.Connection, transition: Transition) -> None:
    connection.execute(
        "INSERT INTO transition (incident, change, at, contact, withheld, text) VALUES (?, ?, ?, ?, ?, ?)",
        (
            *(transition.incident.id, transition.change, transition.at, transition.contact),
            *(transition.withheld, transition.incident.text),
        ),
    )


def incident_from(document: str) -> Incident:
    """What the file has of an incident; what another version knew of it and this one doesn't is left out."""
    known = {each.name for each in fields(Incident)}
    told: dict[str, Any] = {name: value for name, value in json.loads(document).items() if name in known}
    return Incident(**told | {"severity": Severity(told["severity"]), "state": State(told["state"])})
