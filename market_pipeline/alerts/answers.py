"""What a press of a button does, and what is said of it. Idempotent: the same press again changes nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from market_pipeline.alerts.buttons import Action, Press
from market_pipeline.alerts.cures import NEEDS_NO_ANSWER
from market_pipeline.alerts.incident import Incident
from market_pipeline.alerts.ledger import Ledger, NoSuchIncident
from market_pipeline.alerts.requests import Requests
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.silence import Silence
from market_pipeline.alerts.silences import Silences

SILENT_FOR_S = 3_600.0


class Answer(NamedTuple):
    """Whether what was asked for is done, and what to say; '' where the change itself is told in the thread."""

    done: bool
    said: str


def answer(press: Press, rules: Mapping[str, Rule], incidents: Path, now: float) -> Answer:
    """Do what was asked for.

    Args:
        press: who pressed what.
        rules: by id.
        incidents: the ledger's file.
        now: epoch seconds.

    Raises:
        sqlite3.Error: that can't be used.
    """
    ledger = Ledger(incidents)
    try:
        incident, _ = ledger.show(press.incident)
    except NoSuchIncident as error:
        return Answer(False, str(error))
    if not incident.is_active:
        return Answer(False, f"{incident.id} is over: nothing was done")
    match press.action:
        case Action.ACK:
            if ledger.ack(incident.id, press.by, now) is None:
                return Answer(False, f"{incident.acked_by or 'somebody'} has it already")
            return Answer(True, "")
        case Action.SILENCE:
            wanted = Silence(incident.rule, incident.subject, press.by, "pressed in Slack", now, now + SILENT_FOR_S)
            kept = Silences(incidents).keep(wanted, incident.subject)
            if kept is not None:
                return Answer(False, f"{kept.author} has silenced it already")
            return Answer(True, f"{press.by} silenced {incident.rule} of {incident.subject} for an hour")
        case Action.RUN:
            rule = rules.get(incident.rule)
            if rule is None or not incident.mendable or rule.remedy not in NEEDS_NO_ANSWER:
                return Answer(False, _by_hand(incident, rule))
            request, is_new = Requests(incidents).ask(incident.id, incident.subject, rule.remedy, press.by, now)
            if not is_new:
                ago_s = max(0.0, now - request.at)
                return Answer(False, f"{request.by} asked for {request.remedy} {ago_s:.0f} s ago: it runs once")
            return Answer(
                True, f"{press.by} asked for {request.remedy}: Dagster runs it within seconds, where it is up"
            )


def _by_hand(incident: Incident, rule: Rule | None) -> str:
    """Why no run was asked for, and what a person can do."""
    if rule is not None and rule.remedy is not None and incident.mendable:
        return f"{rule.remedy} needs a person's answers: launch it on Dagster's page"
    return f"no remedy would mend this: `market-pipeline incidents show {incident.id}` tells what is known of it"
