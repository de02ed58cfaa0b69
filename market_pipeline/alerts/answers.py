"""What a press of a button does, and what is said of it. Idempotent: the same press again changes nothing."""

from collections.abc import Mapping
from pathlib import Path

from market_pipeline.alerts.buttons import NEEDS_NO_ANSWER, Action, Press
from market_pipeline.alerts.ledger import Ledger, NoSuchIncident
from market_pipeline.alerts.requests import Requests
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.silence import Silence, silence_over

SILENT_FOR_S = 3_600.0


def answer(press: Press, rules: Mapping[str, Rule], incidents: Path, now: float) -> str | None:
    """Do what was asked for; returns what to say in the thread, None where the change itself is told there.

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
        return str(error)
    if not incident.is_active:
        return "it is over: nothing was done"
    match press.action:
        case Action.ACK:
            done = ledger.ack(incident.id, press.by, now)
            return None if done is not None else f"{incident.acked_by or 'somebody'} has it already"
        case Action.SILENCE:
            kept = silence_over(ledger.silences(now).values(), incident.rule, incident.subject, now)
            if kept is not None:
                return f"{kept.author} has silenced it already"
            ends = now + SILENT_FOR_S
            ledger.silence(Silence(incident.rule, incident.subject, press.by, "pressed in Slack", now, ends))
            return f"{press.by} silenced {incident.rule} of {incident.subject} for an hour"
        case Action.RUN:
            rule = rules.get(incident.rule)
            if rule is None or not incident.mendable or rule.remedy not in NEEDS_NO_ANSWER:
                return "there is no remedy that could be run without a person's answers"
            request, is_new = Requests(incidents).ask(incident.id, incident.subject, rule.remedy, press.by, now)
            if not is_new:
                return f"{request.by} asked for {request.remedy} {max(0.0, now - request.at):.0f} s ago: it runs once"
            return f"{press.by} asked for {request.remedy}: Dagster's page shows the run within seconds"
