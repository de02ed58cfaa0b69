"""Serves Dagster's page behind the guard, in the place of the command ``dagster-webserver``:

    python -m market_pipeline.webserver --workspace workspace.yaml

Where it listens and who may use it are settings; Dagster's instance is the one in ``DAGSTER_HOME``.
"""

import argparse
import logging
import os
import signal
import sys
from ipaddress import ip_network

from market_pipeline.mendable import Mendable
from market_pipeline.private_process import keep_private
from market_pipeline.settings import EVERY_ADDRESS, LOOPBACK, Settings
from market_pipeline.supervision.log_lines import start_logging
from market_pipeline.webserver import access_token
from market_pipeline.webserver.guard import Guard
from market_pipeline.webserver.policy import Policy
from market_pipeline.webserver.request import authority, origin

logger = logging.getLogger("dagster-webserver")

STATEMENT_TIMEOUT_MS, POOL_RECYCLE_S, POOL_OVERFLOW = 15_000, 3600, 20
"""Of Dagster's database where it is a Postgres: the defaults of its own command."""
POLL_RATE_MS = 2000
"""How often a page asks for news of assets: the default too."""
END_WITHIN_S = 10
"""How long open connections may take to end."""


class NoHome(Mendable):
    """There is no instance of Dagster to show."""


def policy(settings: Settings, token: str) -> Policy:
    """Who may use the page, as the settings have it."""
    names = list(settings.dagster_hosts)
    if settings.dagster_host not in (LOOPBACK, EVERY_ADDRESS):
        names.append(settings.dagster_host)
    return Policy(
        token=token,
        hosts=frozenset(found for name in names if (found := authority(name)) is not None),
        public=origin(settings.dagster_url) if settings.dagster_url else None,
        identity_header=settings.dagster_identity_header,
        proxies=tuple(ip_network(each) for each in settings.dagster_trusted_proxies),
    )


def serve(settings: Settings, workspace: str) -> None:
    """Serve until a signal ends it.

    Raises:
        TokenFileError: the token's file can't be used.
        NoHome: there is no ``DAGSTER_HOME``.
        OSError: a file can't be read or written.
    """
    if not os.environ.get("DAGSTER_HOME"):
        raise NoHome("DAGSTER_HOME is not set: set it to the folder of Dagster's instance, DATA_DIR/dagster")
    import uvicorn
    from dagster import DagsterInstance
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget
    from dagster_webserver.app import create_app_from_workspace_process_context
    from dagster_webserver.version import __version__

    allowed = policy(settings, access_token.ensure(settings.dagster_token_path))
    with DagsterInstance.get() as instance:
        instance.optimize_for_webserver(STATEMENT_TIMEOUT_MS, POOL_RECYCLE_S, POOL_OVERFLOW)
        with WorkspaceProcessContext(
            instance,
            version=__version__,
            read_only=settings.dagster_read_only,
            workspace_load_target=WorkspaceFileTarget(paths=[workspace]),
        ) as context:
            app = create_app_from_workspace_process_context(context, live_data_poll_rate=POLL_RATE_MS)
            logger.info("serving on %s:%d in process %d", settings.dagster_host, settings.ports.webserver, os.getpid())
            uvicorn.run(
                Guard(app, allowed),
                host=settings.dagster_host,
                port=settings.ports.webserver,
                log_config=None,
                log_level="warning",
                access_log=False,  # it would show the token
                proxy_headers=False,  # a client's X-Forwarded-For would pass for the peer's address
                server_header=False,
                timeout_graceful_shutdown=END_WITHIN_S,
            )


def main(arguments: list[str]) -> int:
    keep_private()
    parser = argparse.ArgumentParser(prog="python -m market_pipeline.webserver", allow_abbrev=False)
    parser.add_argument("--workspace", required=True, metavar="FILE", help="where Dagster finds the definitions")
    workspace: str = parser.parse_args(arguments).workspace
    start_logging()
    logging.getLogger("alembic").setLevel(logging.WARNING)  # each step of making Dagster's storage otherwise
    # uvicorn ends politely on either signal and then passes it on: as an interrupt, what was opened is closed too
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        serve(Settings.load(), workspace)
    except KeyboardInterrupt:
        return 0
    except (Mendable, OSError) as error:
        logger.error("dagster-webserver cannot start: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
