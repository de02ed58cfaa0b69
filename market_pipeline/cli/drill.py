"""``drill``: break a pipeline for real, and see who notices."""

import json
from dataclasses import asdict

import click
from rich.table import Table

from market_pipeline.cli import LOOKED_ONLY, PipelineError, load_settings
from market_pipeline.cli.echo import echo
from market_pipeline.cli.terminal import console
from market_pipeline.drill.drill import RATE
from market_pipeline.drill.drill import drill as hold_drill
from market_pipeline.drill.faults import FAULTS
from market_pipeline.drill.outcome import HEADINGS, cells
from market_pipeline.local.interrupts import interruptible


@click.command(short_help="break a pipeline of its own, and see who notices")
@click.option("--only", multiple=True, metavar="FAULT", help="Only this one; may be given again.")
@click.option("--list", "listed", is_flag=True, help="List the faults, and do nothing.")
@click.option("--rate", type=click.FloatRange(1, 5_000), default=RATE, show_default=True, help="Trades a second.")
@click.option("--keep", is_flag=True, help="Leave the drill's folder, with its logs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array at the end.")
def drill(only: tuple[str, ...], listed: bool, rate: float, keep: bool, as_json: bool) -> None:
    """Start a second pipeline, break it in every way that is known, and show for each how soon it was noticed, told and
    well again, and what was lost. Nothing of the running pipeline is touched. All faults take some 25 minutes and 3 GB;
    exit 1 when something was lost, did not come back, or nobody was told.

    \b
    Examples:
      market-pipeline drill --list
      market-pipeline drill --only producer-killed --only stream-hung
    """
    if listed:
        for fault in FAULTS:
            echo(f"{fault.name:<18}{fault.title}")
        click.get_current_context().meta[LOOKED_ONLY] = True
        return
    with interruptible():
        done = hold_drill(load_settings(), only, lambda line: echo(line, err=True), rate=rate, keep=keep)
    if as_json:
        echo(json.dumps([asdict(each) for each in done.outcomes]))
    else:
        table = Table(*HEADINGS)
        for each in done.outcomes:
            table.add_row(*cells(each), style="red" if each.is_failure else None)
        console().print(table)
        for each in done.outcomes:
            if each.shortcomings:
                echo(f"{each.fault}: {'; '.join(each.shortcomings)}")
        echo(f"the page: {done.page}")
    if failed := [each.fault for each in done.outcomes if each.is_failure]:
        raise PipelineError(f"not as it should be: {', '.join(failed)}")
