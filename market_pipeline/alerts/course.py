"""The course of an incident: all that became of it and all that was done about it, in order."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from market_pipeline.alerts.incident import Change, Incident
from market_pipeline.alerts.ledger import Entry, Ledger
from market_pipeline.alerts.outcomes import Outcomes, named
from market_pipeline.alerts.program_ends import ProgramEnds
from market_pipeline.alerts.requests import Requests
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.local.supervisor_log import End

ENDED = "ended"
ENDED_BEFORE_S = 120.0
_NEEDS = {
    "producer": ("feed-server", "kafka"),
    "stream": ("kafka", "cassandra"),
    "dagster-webserver": ("dagster-code-server",),
    "dagster-daemon": ("dagster-code-server",),
}
"""Of each service, those whose end may be why it does not work."""


@dataclass(frozen=True)
class Event:
    """One line of it.

    Attributes:
        at: when, epoch seconds.
        what: a ``Change``, ``remedy``, or ``ended`` of a program.
        who: who was told or who did it; why nobody was told; the program that ended.
        text: what was seen or done.
        sentence: all of it, as a person would say it.
    """

    at: float
    what: str
    who: str
    text: str
    sentence: str


def course(incidents: Path, found: Incident, history: Iterable[Entry]) -> list[Event]:
    """That of an incident, from its history and from what else the file has of it.

    Raises:
        sqlite3.Error: the file can't be used.
    """
    events = [Event(each.at, each.change, _who(found, each), each.text, sentence(each)) for each in history]
    tried = Ledger(incidents).tried(found.id)
    events += [_remedy(at, "by itself", f"Dagster was asked for a run of {job}") for at, job in tried]
    asked = Requests(incidents).of(found.id)
    events += [_remedy(each.at, each.by, f"{each.by} asked for {each.remedy}") for each in asked]
    events += [_remedy(each.at, named(each.run), str(each)) for each in Outcomes(incidents).of(found.id)]
    events += [Event(each.at, ENDED, each.program, each.how, ended(each)) for each in ends_of(incidents, found)]
    return sorted(events, key=lambda event: event.at)


def ends_of(incidents: Path, found: Incident) -> list[End]:
    """The programs that ended while it was bad or just before, in order: what follows from an end takes time to show.
    Of an incident of one service they are its own ends, and those of what it needs.

    Raises:
        sqlite3.Error: the file can't be used.
    """
    over = next((at for at in (found.clear_since, found.resolved_at) if at is not None), time.time())
    ends = ProgramEnds(incidents).between(found.since - ENDED_BEFORE_S, over)
    rule = RULES.get(found.rule)
    if rule is None or not rule.is_of_a_service:
        return ends
    return [end for end in ends if end.program in (found.subject, *_NEEDS.get(found.subject, ()))]


def ended(end: End) -> str:
    """Such an end, as a person would say it."""
    return f"{end.program} ended: {end.how}"


def sentence(entry: Entry) -> str:
    """One line of the history."""
    if entry.change == Change.RESOLVED:
        return f"resolved; last seen: {entry.text}"
    if entry.change == Change.INHERITED:
        return f"inherited by a new start of the pipeline: {entry.text}"
    if entry.withheld:
        return f"{entry.change}, nobody is told ({entry.withheld}): {entry.text}"
    return f"{entry.change} {'by' if entry.change == Change.ACKED else 'for'} {entry.contact}: {entry.text}"


def _who(incident: Incident, entry: Entry) -> str:
    if entry.change == Change.RESOLVED:
        return incident.resolved_by or ""
    return entry.withheld or entry.contact


def _remedy(at: float, who: str, text: str) -> Event:
    return Event(at, "remedy", who, text, text)
