"""``nodetool``: the runbook's Cassandra commands, on the embedded node or on a configured one."""

import itertools
import subprocess
import sys
from collections.abc import Sequence

import click

from market_pipeline.cli import PipelineError, load_settings
from market_pipeline.local.nodetool import nodetool_command
from market_pipeline.settings import LOOPBACK
from market_pipeline.unanswered import cure, listens

OURS = ("--data-dir", "--port-base")


def ours_first(arguments: Sequence[str]) -> list[str]:
    """The options that name the pipeline moved before nodetool's own words, wherever they stood."""
    ours: list[str] = []
    rest: list[str] = []
    left = iter(arguments)
    for each in left:
        if each in OURS:
            ours += [each, *itertools.islice(left, 1)]
        else:
            (ours if each.partition("=")[0] in OURS else rest).append(each)
    return ours + rest


class Nodetool(click.Command):
    """nodetool's words are its own, but for the options that go with every command of ours."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, ours_first(args))


@click.command(cls=Nodetool, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def nodetool(arguments: tuple[str, ...]) -> None:
    """Run Cassandra's nodetool; what follows is nodetool's own, --data-dir and --port-base excepted.

    \b
    Examples:
      market-pipeline nodetool status
      market-pipeline nodetool tablestats market_data
      market-pipeline nodetool compact market_data
      market-pipeline nodetool help
    """
    settings = load_settings()
    if settings.embedded_cassandra and "help" not in arguments:
        address = f"{LOOPBACK}:{settings.ports.cassandra_jmx}"
        if not listens(address):
            hint = cure(settings, "cassandra", [address])
            raise PipelineError(f"Cassandra does not answer at {address} (JMX): {hint}")
    command = nodetool_command(settings, arguments or ("help",))
    sys.exit(subprocess.run(command, check=False).returncode)
