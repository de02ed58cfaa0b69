"""``smoke-test``: a marked trade over the whole path."""

import json
from dataclasses import asdict

import click

from market_pipeline.cli import PipelineError, load_settings
from market_pipeline.cli.echo import Styled, echo
from market_pipeline.local.processes import anything_runs, kept_elsewhere
from market_pipeline.routine.smoke_test import Hop, SmokeTest
from market_pipeline.unanswered import start_it

_MARKS = {True: ("ok  ", "green"), False: ("FAIL", "red"), None: ("–   ", "bright_black")}


@click.command(name="smoke-test")
@click.option("-v", "--verbose", is_flag=True, help="Show every hop as it is seen, with its time.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def smoke_test(verbose: bool, as_json: bool) -> None:
    """Send a marked trade from Kafka to every table, see it at each hop, and remove it; exit 1 when a hop fails.

    \b
    Examples:
      market-pipeline smoke-test -v
      market-pipeline smoke-test --json | jq '.[] | select(.fine | not)'
    """
    settings = load_settings()
    if not kept_elsewhere(settings) and not anything_runs(settings):
        # every hop would fail, each after its time limit, with advice for a pipeline that runs
        raise PipelineError(f"nothing runs on {settings.data_dir}: {start_it(settings)}")
    hops = SmokeTest(settings, _show if verbose and not as_json else lambda _: None).run()
    failed = [hop for hop in hops if hop.fine is False]
    if as_json:
        echo(json.dumps([asdict(hop) for hop in hops]))
    elif not failed:
        seen = sum(hop.fine is True for hop in hops)
        echo(f"{seen} hops seen: the path is whole", fg="green")
    if failed:
        raise PipelineError("; ".join(f"{hop.name}: {hop.text}" for hop in failed))


def _show(hop: Hop) -> None:
    mark, colour = _MARKS[hop.fine]
    took = f"{hop.seconds:8.3f} s" if hop.seconds is not None else " " * 10
    echo(Styled(mark, colour), f"  {hop.name:<13}{took}  {hop.text}")
