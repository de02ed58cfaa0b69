"""``tune``: the runbook's parameters, as the servers really have them, and how they get others."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import click
from rich.table import Table

from market_pipeline.broker.client import BrokerUnreachableError
from market_pipeline.broker.topics import TopicError
from market_pipeline.cli import LOOKED_ONLY, PipelineError, load_settings
from market_pipeline.cli.echo import echo
from market_pipeline.cli.restart import away
from market_pipeline.cli.terminal import cell, console
from market_pipeline.local.supervisor_client import SupervisorAway
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import STORE_ERRORS
from market_pipeline.store.failure import one_line
from market_pipeline.tuning.apply import do, here, taken
from market_pipeline.tuning.plan import Change, of_kinds, plan
from market_pipeline.tuning.profiles import PARAMETERS, PROFILES
from market_pipeline.tuning.readback import NotReadable, differing, read_back
from market_pipeline.which import where_flags

NAMES = tuple(each.name for each in PARAMETERS)
_UNKNOWN = (NotReadable, BrokerUnreachableError, TopicError, KeyError, *STORE_ERRORS)


@click.group(short_help="performance parameters, as the servers have them")
def tune() -> None:
    """The runbook's performance tuning.

    \b
    Examples:
      market-pipeline tune show
      market-pipeline tune show --profile tuned
      market-pipeline tune apply --profile tuned
    """


def _profile(what: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option("--profile", type=click.Choice(PROFILES), default="two-cores", show_default=True, help=what)


@tune.command()
@_profile("To compare with.")
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
        echo(json.dumps({"profile": profile, "have": have, "want": values, "differ": differ}))
        return
    table = Table("parameter", "of", "have", *PROFILES, "unit")
    for each in PARAMETERS:
        value = have[each.name]
        style = "yellow" if each.name in differ else "green" if isinstance(value, int) else "dim"
        shown = f"{value:,}" if isinstance(value, int) else "not known"
        wanted = [f"{each.values[name]:,}" for name in PROFILES]
        table.add_row(each.name, each.of, cell(shown, style), *wanted, each.unit)
    console().print(table)
    for each in PARAMETERS:
        value = have[each.name]
        if isinstance(value, str):
            echo(f"{each.name}: {value}")
        elif each.name in differ:
            echo(f"{each.name}: {value:,}, {profile} has {each.values[profile]:,}. {each.why}")
            echo(f"    change: {each.how(profile)}")
    if all(isinstance(have[each.name], str) for each in PARAMETERS):
        echo("nothing could be read from here")
    elif not differ:
        echo(f"what could be read is as in {profile}")


@tune.command()
@_profile("Whose values.")
@click.option("--only", type=click.Choice(NAMES), multiple=True, help="This parameter alone; repeatable.")
@click.option("--really", is_flag=True, help="Do it; otherwise tell what would be done.")
def apply(profile: str, only: tuple[str, ...], really: bool) -> None:
    """Give the running servers PROFILE's values and read each back; a dry run unless --really.

    \b
    Examples:
      market-pipeline tune apply --profile tuned
      market-pipeline tune apply --profile default --only log.retention.hours --really
    """
    settings = load_settings()
    wanted = {each.name: each.values[profile] for each in PARAMETERS if not only or each.name in only}
    have = {name: _asked(ask) for name, ask in read_back(settings).items() if name in wanted}
    changes = plan(wanted, have, settings, here(settings), only)
    unknown = {name: why for name, why in have.items() if isinstance(why, str)}
    for name, why in unknown.items():
        echo(f"{name}: not known, and left alone: {why}")
    possible = of_kinds(changes, "live", "restart")
    for change in possible:
        if really:
            _make(settings, change)
        else:
            _tell(change)
    for change in of_kinds(changes, "refused"):
        if not (really and change.name in only):  # the error below tells that one
            _tell(change)
    if not changes and not unknown:
        echo(f"the servers have it all as in {profile}")
    if really:
        _see_that_all_was_done(wanted, only, changes, unknown)
    elif possible:
        typed = "".join((f"tune apply --profile {profile}", *(f" --only {name}" for name in only)))
        click.get_current_context().meta[LOOKED_ONLY] = True
        echo(f"a dry run: `market-pipeline {typed} --really{where_flags(settings)}` does it")


def _tell(change: Change) -> None:
    echo(f"{change}")
    for line in filter(None, (change.text, change.keep)):
        echo(f"    {line}")


def _make(settings: Settings, change: Change) -> None:
    with _failures_in_one_line(settings):
        if change.kind == "restart":
            echo(f"{change} ({change.text})", err=True)
        for restarted in do(settings, change):
            echo(f"    {restarted}", err=True)
        value = taken(settings, change)
    echo(f"{change.name}: {change.before:,} → {value:,}, read back")
    if change.keep:
        echo(f"    {change.keep}")


def _see_that_all_was_done(
    wanted: Mapping[str, int], only: Collection[str], changes: Sequence[Change], unknown: Mapping[str, str]
) -> None:
    """What was asked for by name and is not done is an error, and so is that nothing could be read at all.

    Raises:
        PipelineError: with the reasons.
    """
    if len(unknown) == len(wanted):
        raise PipelineError(next(iter(unknown.values())))
    reasons = {**unknown, **{change.name: change.text for change in of_kinds(changes, "refused")}}
    left = [f"{name} is left as it is: {reasons[name]}" for name in dict.fromkeys(only) if name in reasons]
    if left:
        raise PipelineError("; ".join(left))


@contextmanager
def _failures_in_one_line(settings: Settings) -> Iterator[None]:
    try:
        yield
    except SupervisorAway as error:
        raise PipelineError(away(settings, error)) from None
    except STORE_ERRORS as error:
        raise PipelineError(one_line(error)) from None


def _asked(ask: Callable[[], int]) -> int | str:
    try:
        return ask()
    except _UNKNOWN as error:
        return " ".join(str(error).split())
