"""``incidents silence``, ``silences`` and ``unsilence``: who does not want to be told, and until when."""

import getpass
import json
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import click
from rich.table import Table

from market_pipeline.alerts.message import moment
from market_pipeline.alerts.rulebook import about_some_rule
from market_pipeline.alerts.silence import NoSilence, Silence
from market_pipeline.alerts.silences import Silences
from market_pipeline.cli import load_settings
from market_pipeline.cli.echo import echo
from market_pipeline.cli.kept_incidents import kept_incidents
from market_pipeline.cli.terminal import console

LONG_S = 7 * 86_400.0
"""Longer than this nobody remembers."""


class Number(click.ParamType[int]):
    """That of a silence."""

    name = "number"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if not str(value).isdecimal():
            self.fail(f"{value!r} is no number of a silence: `market-pipeline incidents silences` has them", param, ctx)
        return int(str(value))


@click.command()
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
    made = about_some_rule(Silence(rule, subject, by, reason, start, start + duration_s(lasts)))
    Silences(load_settings().paths.incidents).keep(made)
    echo(f"nobody is told of {rule} (subject {subject}) from {moment(start)} to {moment(made.ends_at)} UTC")
    if not rule.strip("*"):
        echo("warning: that is every rule; `market-pipeline incidents silences` tells how to end it", err=True)
    if made.ends_at - start > LONG_S:
        days = (made.ends_at - start) / 86_400
        echo(f"warning: for {days:,.0f} days; `market-pipeline incidents silences` tells how to end it", err=True)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def silences(as_json: bool) -> None:
    """List the silences that hold or are to come.

    \b
    Examples:
      market-pipeline incidents silences
    """
    found = Silences(kept_incidents(load_settings())).not_over(time.time())
    if as_json:
        echo(json.dumps([{"number": number} | asdict(each) for number, each in found.items()]))
        return
    if not found:
        echo("no silence: whatever is found is told")
        return
    table = Table("number", "rule", "subject", "from (UTC)", "to (UTC)", "by", "why")
    for number, each in found.items():
        times = moment(each.starts_at), moment(each.ends_at)
        table.add_row(str(number), each.rule, each.subject, *times, each.author, each.reason)
    console().print(table)
    echo("`market-pipeline incidents unsilence NUMBER` ends one")


@click.command()
@click.argument("number", type=Number())
def unsilence(number: int) -> None:
    """End a silence before its time. NUMBER is that of `incidents silences`.

    \b
    Examples:
      market-pipeline incidents unsilence 3
    """
    ended = Silences(kept_incidents(load_settings())).end(number, time.time())
    echo(
        f"the silence of {ended.rule} (subject {ended.subject}), by {ended.author}, is ended: what nobody was told of "
        "because of it, and is still wrong, is told at the next look"
    )


def duration_s(text: str) -> float:
    """``30m``, ``2h`` or ``1d`` in seconds.

    Raises:
        NoSilence: it is something else.
    """
    units = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.isdecimal() or not int(number):
        raise NoSilence(f"{text!r} is no duration: write 30m, 2h or 1d")
    return int(number) * units[unit].total_seconds()
