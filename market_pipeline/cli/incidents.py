"""``incidents``: what is wrong, what was, and what a person does about it."""

import getpass
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from textwrap import indent

import click
from rich.table import Table

from market_pipeline.alerts.answers import answer
from market_pipeline.alerts.buttons import Action, Press
from market_pipeline.alerts.course import course
from market_pipeline.alerts.incident import Change, Incident, Transition
from market_pipeline.alerts.ledger import Ledger, NoSuchIncident, SeveralIncidents
from market_pipeline.alerts.message import at_worst, how_to_mend, lasted, moment, title
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.cli import PipelineError, load_settings
from market_pipeline.cli.echo import echo
from market_pipeline.cli.kept_incidents import kept_ledger, tell_when_judged, warn_of_held_messages
from market_pipeline.cli.silences import silence, silences, unsilence
from market_pipeline.cli.terminal import console
from market_pipeline.routine.incident_report import incident_report
from market_pipeline.which import where_flags

SHOWN_DAYS = 30


@click.group(short_help="what is wrong, what was, and what is done about it")
def incidents() -> None:
    """Incidents: what the runbook's rules found wrong. They are judged each half minute by Dagster's sensor `alerts`.

    \b
    Examples:
      market-pipeline incidents list
      market-pipeline incidents ack kafka-down
      market-pipeline incidents silence "cassandra-*" --for 2h --reason "new disk on its way"
    """


@incidents.command("list")
@click.option("--all", "every", is_flag=True, help=f"Also those that are over, of {SHOWN_DAYS} days.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def list_(every: bool, as_json: bool) -> None:
    """List the incidents that are not over, the worst first.

    \b
    Examples:
      market-pipeline incidents list
      market-pipeline incidents list --all --json
    """
    settings = load_settings()
    ledger = kept_ledger(settings)
    found = ledger.since(time.time() - SHOWN_DAYS * 86_400) if every else ledger.not_over()
    if as_json:
        echo(json.dumps([asdict(each) for each in found]))
        return
    if not found:
        echo(f"no incident within {SHOWN_DAYS} days" if every else "no incident")
        tell_when_judged(ledger)
        warn_of_held_messages(settings)
        return
    table = Table("id", "severity", "state", "since (UTC)", "lasted", "what")
    for each in found:
        whole = lasted(each.lasted_s(time.time()))
        table.add_row(
            *(each.id, each.severity, standing(each), moment(each.since), whole),
            f"{title(each, RULES.get(each.rule))}: {'last seen: ' if seems_over(each) else ''}{each.text}",
        )
    console().print(table)
    tell_when_judged(ledger)
    warn_of_held_messages(settings)


@incidents.command()
@click.argument("incident")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(incident: str, as_json: bool) -> None:
    """Show one incident, its evidence and all that became of it. INCIDENT is its id, or the beginning of it, such as a
    rule or rule/subject: the one that is not over, else the newest.

    \b
    Examples:
      market-pipeline incidents show kafka-down
    """
    settings = load_settings()
    ledger = kept_ledger(settings)
    try:
        found, history = ledger.show(incident)
    except NoSuchIncident as error:
        if incident not in RULES or isinstance(error, SeveralIncidents):
            raise
        _tell_well(ledger, RULES[incident], as_json)
        return
    if as_json:
        events = [asdict(each) for each in course(settings.paths.incidents, found, history)]
        echo(json.dumps(asdict(found) | {"history": [asdict(each) for each in history], "course": events}))
        return
    rule = RULES.get(found.rule)
    echo(f"{found.id}: {title(found, rule)}")
    echo(f"  {found.severity}, {standing(found)}; {'last seen: ' if seems_over(found) else ''}{found.text}")
    ended = f", ended by {found.resolved_by}" if found.resolved_by else ""
    whole = lasted(found.lasted_s(time.time()))
    echo(f"  first seen {moment(found.since)} UTC, lasted {whole}{ended}")
    if rule is not None:
        echo(f"  runbook: {rule.runbook}")
    if rule is not None and rule.remedy and found.mendable:
        echo(f"  remedy: {how_to_mend(found, rule, where_flags(settings))}")
    if settings.slack_token is None:
        echo("  nobody is told, for Slack is not set up (SLACK_BOT_TOKEN)")
    if found.was_worse:
        echo(f"  {at_worst(found)}")
    for name, value in found.worst.evidence.items():
        text = value if isinstance(value, str) else json.dumps(value)
        below = "\n" + indent(text, "    ") if "\n" in text else text
        echo(f"  {name}: {below}")
    for event in course(settings.paths.incidents, found, history):
        echo(f"  {moment(event.at)}  {event.sentence}")


@incidents.command()
@click.argument("incident")
@click.option("--by", default=getpass.getuser, help="Who takes it on; you, if you don't say.")
def ack(incident: str, by: str) -> None:
    """Take an incident on, which ends its escalation at once. An ack that is forgotten is taken back.

    \b
    Examples:
      market-pipeline incidents ack kafka-down --by ann
    """
    _act(incident, "taken on", lambda ledger: ledger.ack(incident, by, time.time()))


@incidents.command()
@click.argument("incident")
@click.option("--by", default=getpass.getuser, help="Who ends it; you, if you don't say.")
def resolve(incident: str, by: str) -> None:
    """End an incident by hand. A fault that goes on is a new incident.

    \b
    Examples:
      market-pipeline incidents resolve cassandra-disk
    """
    _act(incident, "ended", lambda ledger: ledger.resolve(incident, by, time.time()))


@incidents.command("run")
@click.argument("incident")
@click.option("--by", default=getpass.getuser, help="Who asks for it; you, if you don't say.")
def run_(incident: str, by: str) -> None:
    """Ask Dagster to run the remedy of an incident. It does within seconds, one remedy at a time, and once.

    \b
    Examples:
      market-pipeline incidents run program-down/stream
    """
    settings = load_settings()
    found, _ = kept_ledger(settings).show(incident)
    answered = answer(Press(Action.RUN, found.id, by), RULES, settings.paths.incidents, time.time())
    if not answered.done:
        raise PipelineError(answered.said)
    echo(answered.said)


@incidents.command()
@click.argument("incident")
def report(incident: str) -> None:
    """Print what is left of an incident that is over, as Markdown: its course, the trades that it touched, its cause,
    what healed it, and its times against their targets.

    \b
    Examples:
      market-pipeline incidents report program-hung/stream
    """
    settings = load_settings()
    kept_ledger(settings)
    echo(incident_report(settings, incident, datetime.now(UTC)).markdown())


def seems_over(incident: Incident) -> bool:
    """Whether the last bad look is not the newest one."""
    return incident.clear_since is not None or not incident.is_active


def standing(incident: Incident) -> str:
    """Its state, and who has it, whether it seems to be over, or that nobody was told of it (`show` says why)."""
    if not incident.is_active:
        return incident.state
    taken = f" by {incident.acked_by}" if incident.acked_by else ""
    well = f", well since {moment(incident.clear_since)}" if incident.clear_since is not None else ""
    return f"{incident.state}{taken}{', kept back' if incident.withheld is not None else ''}{well}"


def _tell_well(ledger: Ledger, rule: Rule, as_json: bool) -> None:
    """What there is to say of a rule that never found anything wrong."""
    if as_json:
        echo(json.dumps(None))
        return
    echo(f"{rule.id} ({rule.title}): no incident")
    tell_when_judged(ledger)


def _act(incident: str, done: str, act: Callable[[Ledger], Transition | None]) -> None:
    ledger = kept_ledger(load_settings())
    transition = act(ledger)
    if transition is None:
        found, _ = ledger.show(incident)
        raise PipelineError(f"nothing to do: {found.id} is {standing(found)}")
    echo(f"{transition.incident.id} is {done}: {transition.incident.text}")
    if transition.change is Change.RESOLVED and transition.incident.clear_since is None:
        again = "another run that shows it" if "run" in transition.incident.evidence else "what stays so"
        echo(f"no look has found it well yet: {again} will be a new incident")


for command in (silence, silences, unsilence):
    incidents.add_command(command)
