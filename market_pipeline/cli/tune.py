"""``tune``: the runbook's parameters, as the servers really have them."""

import json
from collections.abc import Callable

import click
from rich.table import Table
from rich.text import Text

from market_pipeline.broker.client import BrokerUnreachableError
from market_pipeline.broker.topics import TopicError
from market_pipeline.cli import load_settings
from market_pipeline.cli.terminal import console
from market_pipeline.store.cluster import STORE_ERRORS
from market_pipeline.tuning.profiles import PARAMETERS, PROFILES
from market_pipeline.tuning.readback import NotReadable, differing, read_back

_UNKNOWN = (NotReadable, BrokerUnreachableError, TopicError, KeyError, *STORE_ERRORS)


@click.group(short_help="performance parameters, as the servers have them")
def tune() -> None:
    """The runbook's performance tuning.

    \b
    Examples:
      market-pipeline tune show
      market-pipeline tune show --profile tuned
    """


@tune.command()
@click.option("--profile", type=click.Choice(PROFILES), default="two-cores", show_default=True, help="To compare with.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(profile: str, as_json: bool) -> None:
    """Show each parameter as the running servers have it, and how one that differs from PROFILE is changed.

    \b
    Examples:
      market-pipeline tune show --profile tuned
      market-pipeline tune show --json | jq .differ
    """
    have = {name: _asked(ask) for name, ask in read_back(load_settings()).items()}
    values = {each.name: each.values[profile] for each in PARAMETERS}
    differ = differing(values, have)
    if as_json:
        click.echo(json.dumps({"profile": profile, "have": have, "want": values, "differ": differ}))
        return
    table = Table("parameter", "of", "have", *PROFILES, "unit")
    for each in PARAMETERS:
        value = have[each.name]
        style = "yellow" if each.name in differ else "green" if isinstance(value, int) else "dim"
        shown = f"{value:,}" if isinstance(value, int) else "not known"
        wanted = [f"{each.values[name]:,}" for name in PROFILES]
        table.add_row(each.name, each.of, Text(shown, style=style), *wanted, each.unit)
    console().print(table)
    for each in PARAMETERS:
        value = have[each.name]
        if isinstance(value, str):
            click.echo(f"{each.name}: {value}")
        elif each.name in differ:
            click.echo(f"{each.name}: {value:,}, {profile} has {each.values[profile]:,}. {each.why}")
            click.echo(f"    change: {each.change}")
    if not differ:
        click.echo(f"what could be read is as in {profile}")


def _asked(ask: Callable[[], int]) -> int | str:
    try:
        return ask()
    except _UNKNOWN as error:
        return " ".join(str(error).split())
