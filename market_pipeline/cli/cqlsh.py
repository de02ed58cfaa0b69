"""``cqlsh``: Apache's own CQL shell, connected to the pipeline's Cassandra and keyspace."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from market_pipeline.cli import PipelineError, load_settings
from market_pipeline.cli.nodetool import Nodetool
from market_pipeline.interpreter import PYTHON
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import StoreUnreachableError
from market_pipeline.unanswered import listens

REQUEST_TIMEOUT_S = 300
"""cqlsh's own default of 10 s is over before a table of a few million rows is counted."""


@click.command(cls=Nodetool, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def cqlsh(arguments: tuple[str, ...]) -> None:
    """Run cqlsh, Cassandra's own shell: DESCRIBE, COPY, TRACING, CONSISTENCY, SOURCE, paging, completion.

    What follows is cqlsh's own, --data-dir and --port-base excepted. A table needs no keyspace before its name.

    \b
    Examples:
      market-pipeline cqlsh
      market-pipeline cqlsh -e "SELECT * FROM latest_prices"
      market-pipeline cqlsh -e "COPY latest_prices TO 'prices.csv'"
      market-pipeline cqlsh -f queries.cql
      market-pipeline cqlsh -- --help
    """
    settings = load_settings()
    server = f"{settings.contact_points[0]}:{settings.cql_port}"
    # a host of the user's own is the user's business
    if not any(map(listens, _servers(settings))) and not {"-h", "--help", "--version"} & set(arguments):
        raise PipelineError(str(StoreUnreachableError(settings, f"nothing listens at {server}")))
    command = [*PYTHON, "-m", "cqlshlib", *cqlsh_arguments(settings, arguments)]
    # Ctrl-C is cqlsh's; a handler, unlike SIG_IGN, is not inherited
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        code = subprocess.run(command, env=environment(settings, os.environ), check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)
    sys.exit(code if code >= 0 else 128 - code)


def cqlsh_arguments(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """What cqlsh gets: the pipeline's keyspace and a timeout for long reads, then the user's words, which win."""
    return ["--keyspace", settings.keyspace, "--request-timeout", str(REQUEST_TIMEOUT_S), *arguments]


def environment(settings: Settings, given: Mapping[str, str]) -> dict[str, str]:
    """The variables of cqlsh: where Cassandra listens, and a history file that can be written."""
    own = {"CQLSH_HOST": settings.contact_points[0], "CQLSH_PORT": str(settings.cql_port)}
    home = Path(given.get("HOME", "/"))
    if "CQL_HISTORY" not in given and not os.access(home, os.W_OK):
        own["CQL_HISTORY"] = str(settings.data_dir / "cqlsh_history")
    return {**given, **own}


def _servers(settings: Settings) -> list[str]:
    return [f"{host}:{settings.cql_port}" for host in settings.contact_points]
