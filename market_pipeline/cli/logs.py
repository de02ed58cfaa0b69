"""``logs``: what each service wrote, in order of time."""

import contextlib
import itertools
import time

import click

from market_pipeline.cli import PipelineError, load_settings
from market_pipeline.cli.echo import echo
from market_pipeline.local import logs as log_files
from market_pipeline.mendable import InvalidInput

FOLLOW_EVERY_S = 0.25


@click.command(short_help="show the logs")
@click.argument("service", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on showing what is added; Ctrl-C ends it.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=50, show_default=True, help="Lines of each service.")
def logs(service: str | None, follow: bool, lines: int) -> None:
    """Show the last lines of a service, or of each of them, in order of time.

    \b
    Examples:
      market-pipeline logs stream
      market-pipeline logs -f -n 5            # the last 5 lines of each service, and what is added
    """
    settings = load_settings()
    known = log_files.services()
    if service is not None and service not in known:
        raise InvalidInput(f"there is no service {service!r}; there are {', '.join(known)}")
    files = [(name, file) for name in ([service] if service else known) for file in log_files.log_files(settings, name)]
    if not any(file.exists() for _, file in files):
        raise PipelineError(f"no log in {settings.paths.logs}: nothing has run on this data dir")
    prefix = {name: f"{name:<20}| " if service is None else "" for name, _ in files}
    ends = [(name, log_files.last_lines(settings, name, lines)) for name in prefix]
    followers = log_files.follow(files)
    for name, line in log_files.interleaved(ends):
        echo(f"{prefix[name]}{line}")
    with contextlib.suppress(KeyboardInterrupt):
        for _ in itertools.count() if follow else ():
            for name, line in log_files.added(followers):
                echo(f"{prefix[name]}{line}")
            time.sleep(FOLLOW_EVERY_S)
