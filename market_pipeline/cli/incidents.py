"""``incidents``: what is wrong, what was, and what a person does about it."""

import getpass
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import click
from rich.table import Table
from rich.text import Text

from market_pipeline.alerts.incident import Incident, Transition
from market_pipeline.alerts.ledger import Entry, Ledger, NoSuchIncident
from market_pipeline.alerts.message import lasted, moment, title
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.alerts.silence import Silence
from market_pipeline.cli import PipelineError, load_settings
from market_pipeline.cli.terminal import console

SHOWN_DAYS = 30
T = TypeVar("T")


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
    ledger = _ledger()
    found = ledger.since(time.time() - SHOWN_DAYS * 86_400) if every else ledger.not_over()
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found]))
        return
    if not found:
        click.echo(f"no incident within {SHOWN_DAYS} days" if every else "no incident: what is watched is well")
        return
    table = Table("id", "severity", "state", "since (UTC)", "lasted", "what")
    for each in found:
        ended = each.resolved_at or time.time()
        table.add_row(
            *(Text(each.id), each.severity, Text(standing(each)), moment(each.since), lasted(ended - each.since)),
            Text(f"{title(each, RULES.get(each.rule))}: {each.text}"),
        )
    console().print(table)


@incidents.command()
@click.argument("incident")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(incident: str, as_json: bool) -> None:
    """Show one incident, its evidence and all that became of it. INCIDENT is its id, or the beginning of it.

    \b
    Examples:
      market-pipeline incidents show kafka-down
    """
    found, history = _asked(lambda ledger: ledger.show(incident))
    if as_json:
        click.echo(json.dumps(asdict(found) | {"history": [asdict(each) for each in history]}))
        return
    rule = RULES.get(found.rule)
    click.echo(f"{found.id}: {title(found, rule)}")
    click.echo(f"  {found.severity}, {found.state}; {found.text}")
    if rule is not None:
        click.echo(f"  runbook: {rule.runbook}" + (f"; remedy: Dagster's job {rule.remedy}" if rule.remedy else ""))
    for name, value in found.evidence.items():
        click.echo(f"  {name}: {value if isinstance(value, str) else json.dumps(value)}")
    for each in history:
        click.echo(f"  {moment(each.at)}  {sentence(each)}")


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


@incidents.command()
@click.argument("rule")
@click.option("--subject", default="*", show_default=True, help="Of which subject, or a pattern.")
@click.option("--for", "lasts", required=True, metavar="30m|2h|1d", help="How long.")
@click.option("--from", "begins", type=click.DateTime(), help="From when (UTC), for a maintenance window; else now.")
@click.option("--reason", required=True, help="Why.")
@click.option("--by", default=getpass.getuser, help="Whose it is; yours, if you don't say.")
def silence(rule: str, subject: str, lasts: str, begins: datetime | None, reason: str, by: str) -> None:
    """Tell nobody of what RULE (an id, or a pattern) finds, for a while. The incidents are kept all the same.

    \b
    Examples:
      market-pipeline incidents silence "*" --for 30m --reason "moving Kafka"
      market-pipeline incidents silence high-latency --from 2026-11-28T02:00:00 --for 2h --reason "compaction"
    """
    start = begins.replace(tzinfo=UTC).timestamp() if begins else time.time()
    try:
        made = Silence(rule, subject, by, reason, start, start + duration_s(lasts))
    except ValueError as error:
        raise PipelineError(str(error)) from None
    Ledger(load_settings().paths.incidents).silence(made)
    click.echo(f"nobody is told of {rule} (subject {subject}) from {moment(start)} to {moment(made.ends_at)} UTC")


def duration_s(text: str) -> float:
    """``30m``, ``2h`` or ``1d`` in seconds.

    Raises:
        ValueError: it is something else.
    """
    units = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.isdecimal() or not int(number):
        raise ValueError(f"{text!r} is no duration: write 30m, 2h or 1d")
    return int(number) * units[unit].total_seconds()


def standing(incident: Incident) -> str:
    """Its state, and who has it, or that nobody was told of it (`show` says why)."""
    if incident.withheld is not None:
        return f"{incident.state}, kept back"
    return f"{incident.state} by {incident.acked_by}" if incident.acked_by and incident.is_active else incident.state


def sentence(entry: Entry) -> str:
    """One line of the history."""
    who = f", by {entry.contact}" if entry.change == "acked" else f" → {entry.contact}"
    return f"{entry.change}{f' (nobody is told: {entry.withheld})' if entry.withheld else who}: {entry.text}"


def _ledger() -> Ledger:
    settings = load_settings()
    if not settings.paths.incidents.exists():
        raise PipelineError(f"nothing was judged yet on {settings.data_dir}: Dagster's sensor `alerts` does it")
    return Ledger(settings.paths.incidents)


def _asked(ask: Callable[[Ledger], T]) -> T:
    try:
        return ask(_ledger())
    except NoSuchIncident as error:
        raise PipelineError(str(error)) from None


def _act(incident: str, done: str, act: Callable[[Ledger], Transition | None]) -> None:
    transition = _asked(act)
    if transition is None:
        raise PipelineError(f"nothing to do: see `market-pipeline incidents show {incident}`")
    click.echo(f"{transition.incident.id} is {done}: {transition.incident.text}")
