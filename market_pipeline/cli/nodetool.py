"""``nodetool``: the runbook's Cassandra commands, on the embedded node or on a configured one."""

import socket
import subprocess
import sys

import click

from market_pipeline.cli import PipelineError, load_settings
from market_pipeline.local.jars import JarError
from market_pipeline.local.java import NoJava
from market_pipeline.local.nodetool import NoNodetool, nodetool_command
from market_pipeline.settings import LOOPBACK


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def nodetool(arguments: tuple[str, ...]) -> None:
    """Run Cassandra's nodetool; everything behind the word is nodetool's own.

    \b
    Examples:
      market-pipeline nodetool status
      market-pipeline nodetool tablestats market_data
      market-pipeline nodetool compact market_data
      market-pipeline nodetool help
    """
    settings = load_settings()
    if settings.embedded_cassandra and "help" not in arguments:
        with socket.socket() as probe:
            if probe.connect_ex((LOOPBACK, settings.ports.cassandra_jmx)) != 0:
                raise PipelineError("Cassandra is not running: start it with `market-pipeline up`")
    try:
        command = nodetool_command(settings, arguments or ("help",))
    except (NoNodetool, NoJava, JarError) as error:
        raise PipelineError(str(error)) from None
    sys.exit(subprocess.run(command, check=False).returncode)
