"""``restart``: one service, until its new process is seen to work."""

import click

from market_pipeline.cli import PipelineError, load_settings
from market_pipeline.cli.echo import echo
from market_pipeline.local.restart import restart as restart_program
from market_pipeline.local.restart import works
from market_pipeline.local.supervisor_client import SupervisorAway, SupervisorClient
from market_pipeline.local.supervisord import NAME as SUPERVISOR
from market_pipeline.mendable import InvalidInput
from market_pipeline.settings import Settings
from market_pipeline.supervision.lock import holder
from market_pipeline.unanswered import start_it
from market_pipeline.which import where_flags


@click.command(short_help="restart one service")
@click.argument("service")
def restart(service: str) -> None:
    """Stop a service politely, start it again, and return when the new process is ready; exit 1 when it is not.
    The stream is ready when it has written trades, or none waits.

    \b
    Examples:
      market-pipeline restart producer
      market-pipeline restart stream
    """
    settings = load_settings()
    try:
        known = SupervisorClient(settings).processes()
        if service not in known:
            raise InvalidInput(f"there is no service {service!r}; there are {', '.join(known)}")
        echo(f"restarting {service}", err=True)
        done = restart_program(settings, service, until=works)
    except SupervisorAway as error:
        raise PipelineError(away(settings, error)) from None
    echo(f"{service} restarted: {done}")


def away(settings: Settings, error: SupervisorAway) -> str:
    """What to tell of a supervisor that is not there, hangs, or refuses."""
    pid = holder(settings.paths.lock(SUPERVISOR))
    if pid is None:
        return f"nothing runs on {settings.data_dir}: {start_it(settings)}"
    return (
        f"the supervisor (pid {pid}) did not do it ({error}): try again, or stop everything with "
        f"`market-pipeline down{where_flags(settings)}`"
    )
