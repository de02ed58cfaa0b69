"""``dagster-url``: the URL of Dagster's page, with the token that signs a browser in."""

import click

from market_pipeline.cli import PipelineError, load_settings
from market_pipeline.cli.echo import echo
from market_pipeline.local.webserver import address, is_anothers, url_with_token
from market_pipeline.unanswered import cure


@click.command(short_help="the URL that signs your browser in to Dagster")
def dagster_url() -> None:
    """Print the URL that signs your browser in to Dagster's page.

    Whoever has this URL can launch and terminate runs: don't share it, nor put it on a command line, which every user
    of this machine can read. Each start of the pipeline has a new token.

    \b
    Examples:
      market-pipeline dagster-url
      market-pipeline dagster-url --data-dir /tmp/second
      docker-compose exec dagster-webserver market-pipeline dagster-url
    """
    settings = load_settings()
    url = url_with_token(settings)
    if url is None:
        if not settings.dagster:
            raise PipelineError("this pipeline was started without Dagster: `up` has it unless --no-dagster is given")
        remedy = cure(settings, "dagster-webserver", [address(settings)])
        raise PipelineError(f"Dagster's page does not run on {settings.data_dir}: {remedy}")
    if is_anothers(settings):
        raise PipelineError(
            f"another user of this machine listens on {address(settings)} and would get the token: end that, or "
            "choose another --port-base"
        )
    echo(url)
