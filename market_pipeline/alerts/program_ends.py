"""The ends of programs that nobody had asked for, kept beside the incidents: logs are rotated, and what a program said
before it ended is overwritten by what its next start says."""

import sqlite3
from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

from market_pipeline.alerts.database import Database
from market_pipeline.feed.secrecy import Secrecy
from market_pipeline.local.programs import BEATING
from market_pipeline.local.supervisor_log import End, read_ends
from market_pipeline.settings import Settings
from market_pipeline.supervision.last_end import LastEnd, read_last_end

KEPT_S = 30 * 86_400.0
ENDS_WITHIN_S = 10.0
"""A program that has said why it ends is gone by then. The supervisor's log knows whole seconds."""


class ProgramEnds:
    """In the incidents' file. Every method raises ``sqlite3.Error`` where that can't be used."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)

    def keep(self, ends: Iterable[End], now: float) -> None:
        """Keep those that are not kept yet, and forget old ones; ``now`` in epoch seconds."""
        recent = [each for each in ends if each.at > now - KEPT_S]
        with self._database.changing() as connection:
            # the supervisor's word for an end may have been kept, and have left its log since
            connection.executemany(
                "INSERT OR IGNORE INTO program_end SELECT :program, :at, :how WHERE NOT EXISTS (SELECT 1 FROM "
                "program_end WHERE program = :program AND at BETWEEN :at - 1.0 AND :at + :within_s "
                "AND substr(how, -length(:how) - 2) = ': ' || :how)",
                [{**asdict(each), "within_s": ENDS_WITHIN_S} for each in recent],
            )
            connection.execute("DELETE FROM program_end WHERE at <= ?", (now - KEPT_S,))

    def between(self, since: float, until: float) -> list[End]:
        """Those of [since, until], epoch seconds, in order."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT program, at, how FROM program_end WHERE at BETWEEN ? AND ? ORDER BY at, program", (since, until)
            )
            return [End(*row) for row in rows]


def restarts(connection: sqlite3.Connection, rules: Container[str]) -> dict[str, list[tuple[float, str]]]:
    """By the id of each incident of these rules that is not over, the new starts of its service by the supervisor, each
    with the time and the reason of the end before it, in order."""
    found: dict[str, list[tuple[float, str]]] = {}
    rows = connection.execute(
        "SELECT incident.id, incident.rule, program, program_end.at, how FROM incident JOIN program_end "
        "ON program = incident.subject AND program_end.at >= incident.since "
        "WHERE incident.state <> 'resolved' ORDER BY program_end.at"
    )
    for incident, rule, program, at, how in rows:
        if rule in rules:
            found.setdefault(incident, []).append((at, f"the supervisor, which restarted {program}: {how}"))
    return found


def keep_program_ends(settings: Settings, secrecy: Secrecy, now: float) -> None:
    """Keep what the supervisor's log and the programs themselves say of their ends; ``now`` in epoch seconds.

    Raises:
        sqlite3.Error: the incidents' file can't be used.
    """
    said = {name: told for name in BEATING if (told := read_last_end(settings.paths.last_end(name))) is not None}
    ends = [replace(each, how=secrecy.redact(each.how)) for each in with_reasons(read_ends(settings), said, now)]
    ProgramEnds(settings.paths.incidents).keep(ends, now)


def with_reasons(ends: Iterable[End], said: Mapping[str, LastEnd], now: float) -> list[End]:
    """The ends, each with the reason that its program gave; one that no supervisor saw in time has the reason alone,
    and one that it may still see waits for it. ``now`` in epoch seconds. Pure."""
    found, seen = list[End](), set[str]()
    for end in ends:
        told = said.get(end.program)
        if told is not None and -1.0 <= end.at - told.at <= ENDS_WITHIN_S:
            seen.add(end.program)
            end = replace(end, how=f"{end.how}: {told.why}")
        found.append(end)
    over = {name: told for name, told in said.items() if name not in seen and now - told.at > ENDS_WITHIN_S}
    return found + [End(name, told.at, told.why) for name, told in over.items()]
