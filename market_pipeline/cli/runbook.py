"""``runbook``: each line of the runbook, what does it, and when that last worked on this pipeline."""

import json
import shlex
import sys
from datetime import datetime

import click
from rich.markdown import Markdown

from market_pipeline.alerts.message import moment
from market_pipeline.cli import load_settings
from market_pipeline.cli.echo import echo
from market_pipeline.cli.terminal import console
from market_pipeline.local.dagster_home import last_successes
from market_pipeline.local.programs import EXECUTE_JOB
from market_pipeline.runbook import worked
from market_pipeline.runbook.line import PROGRAM, Line
from market_pipeline.runbook.lines import SECTIONS
from market_pipeline.runbook.page import page
from market_pipeline.settings import Settings
from market_pipeline.which import where_flags

NEVER = "not known to have worked here yet"


@click.command(short_help="what the runbook tells to do, and when it last worked")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def runbook(as_json: bool) -> None:
    """Show every line of the runbook: what does it, what to type, and when that last worked on this pipeline, by hand
    or as a run of Dagster's. On a terminal the page is drawn, elsewhere it is Markdown.

    \b
    Examples:
      market-pipeline runbook | less
      market-pipeline runbook --json | jq '.[] | select(.worked == null).id'
    """
    settings = load_settings()
    lines = [line for section in SECTIONS for line in section.lines]
    jobs = last_successes(settings, {line.job for line in lines if line.job})
    if as_json:
        echo(json.dumps([_as_json(settings, line, last_worked(settings, line, jobs)) for line in lines]))
        return

    def told(line: Line) -> str:
        at = last_worked(settings, line, jobs)
        return f"last worked {moment(at.timestamp())} UTC" if at is not None else NEVER

    text = page(told, lambda line: typed(settings, line))
    if sys.stdout.isatty():
        console().print(Markdown(text))
    else:
        echo(text, nl=False)


def last_worked(settings: Settings, line: Line, jobs: dict[str, datetime]) -> datetime | None:
    """When what the line tells last worked: its command, or its job, whichever was later."""
    found = [jobs[line.job]] if line.job in jobs else []
    at = worked.last(settings.paths.worked, line)
    return max([*found, *([at] if at is not None else [])], default=None)


def typed(settings: Settings, line: Line) -> str | None:
    """What a person types to have it done on this very pipeline."""
    command = line.command or (f"{EXECUTE_JOB} {line.job}" if line.job else None)
    if command is None or not command.startswith((PROGRAM, EXECUTE_JOB)):
        return command
    if command.startswith(PROGRAM):
        return f"{command}{where_flags(settings)}"
    where = {"MARKET_PIPELINE_DATA_DIR": settings.data_dir, "DAGSTER_HOME": settings.paths.dagster}
    return " ".join([*(f"{name}={shlex.quote(str(path))}" for name, path in where.items()), command])


def _as_json(settings: Settings, line: Line, at: datetime | None) -> dict[str, object]:
    return {
        "id": line.id,
        "does": line.does,
        "command": typed(settings, line),
        "job": line.job,
        "rule": line.rule,
        "worked": at.isoformat(timespec="seconds") if at is not None else None,
    }
