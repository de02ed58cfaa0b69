"""``runbook``: each line of the runbook, what does it, and when that last worked on this pipeline."""

import json
import shlex
import sys
from dataclasses import dataclass
from datetime import datetime

import click
from rich.markdown import Markdown

from market_pipeline.alerts.message import moment
from market_pipeline.cli import load_settings
from market_pipeline.cli.echo import echo
from market_pipeline.cli.terminal import console
from market_pipeline.local.dagster_home import last_runs
from market_pipeline.local.programs import EXECUTE_JOB
from market_pipeline.runbook import worked
from market_pipeline.runbook.line import PROGRAM, Line
from market_pipeline.runbook.lines import SECTIONS
from market_pipeline.runbook.page import page
from market_pipeline.settings import Settings
from market_pipeline.which import where_flags

NEVER = "not checked here yet"


@click.command(short_help="what the runbook tells to do, and when it last worked")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def runbook(as_json: bool) -> None:
    """Show every line of the runbook: what does it, what to type, and whether that worked on this pipeline, reported a
    fault, or was not checked, by hand or as a run of Dagster's. On a terminal the page is drawn, elsewhere it is
    Markdown.

    \b
    Examples:
      market-pipeline runbook | less
      market-pipeline runbook --json | jq '.[] | select(.state != "worked").id'
    """
    settings = load_settings()
    lines = [line for section in SECTIONS for line in section.lines]
    jobs = {line.job for line in lines if line.job}
    good, bad = last_runs(settings, jobs), last_runs(settings, jobs, failed=True)
    found = {
        line.id: Outcome(_newest(settings, line, good), _newest(settings, line, bad, fault=True)) for line in lines
    }
    if as_json:
        echo(json.dumps([_as_json(settings, line, found[line.id]) for line in lines]))
        return

    def told(line: Line) -> str:
        return str(found[line.id])

    text = page(told, lambda line: typed(settings, line))
    if sys.stdout.isatty():
        console().print(Markdown(text))
    else:
        echo(text, nl=False)


@dataclass(frozen=True)
class Outcome:
    """When a line of the runbook last worked and when it last reported a fault, by hand or as a run of Dagster's."""

    worked: datetime | None
    fault: datetime | None

    @property
    def state(self) -> str:
        if self.fault is not None and (self.worked is None or self.fault > self.worked):
            return "reported a fault"
        return "worked" if self.worked is not None else "not checked"

    def __str__(self) -> str:
        if self.state == "not checked":
            return NEVER
        last = f"last worked {moment(self.worked.timestamp())} UTC" if self.worked is not None else "never worked here"
        if self.state == "worked" or self.fault is None:
            return last
        return f"reported a fault {moment(self.fault.timestamp())} UTC, {last}"


def _newest(settings: Settings, line: Line, runs: dict[str, datetime], *, fault: bool = False) -> datetime | None:
    """Of the line's command or its job, whichever was later."""
    by_hand, run = worked.last(settings.paths.worked, line, fault=fault), runs.get(line.job or "")
    return max((at for at in (by_hand, run) if at is not None), default=None)


def typed(settings: Settings, line: Line) -> str | None:
    """What a person types to have it done on this very pipeline."""
    command = line.command or (f"{EXECUTE_JOB} {line.job}" if line.job else None)
    if command is None or not command.startswith((PROGRAM, EXECUTE_JOB)):
        return command
    if command.startswith(PROGRAM):
        return f"{command}{where_flags(settings)}"
    where = {"MARKET_PIPELINE_DATA_DIR": settings.data_dir, "DAGSTER_HOME": settings.paths.dagster}
    return " ".join([*(f"{name}={shlex.quote(str(path))}" for name, path in where.items()), command])


def _as_json(settings: Settings, line: Line, outcome: Outcome) -> dict[str, object]:
    return {
        "id": line.id,
        "does": line.does,
        "command": typed(settings, line),
        "job": line.job,
        "rule": line.rule,
        "state": outcome.state,
        "worked": outcome.worked.isoformat(timespec="seconds") if outcome.worked is not None else None,
        "fault": outcome.fault.isoformat(timespec="seconds") if outcome.fault is not None else None,
    }
