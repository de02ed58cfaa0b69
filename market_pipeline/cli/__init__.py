"""The console script ``market-pipeline``: one module a group of commands, loaded when its command is asked for."""

import importlib
import os
import sys
from pathlib import Path

import click

from market_pipeline.settings import Settings, SettingsError

COMMANDS = {
    "up": "lifecycle",
    "down": "lifecycle",
    "init": "lifecycle",
    "restart": "lifecycle",
    "logs": "lifecycle",
    "status": "status",
    "doctor": "doctor",
    "query": "query",
    "cqlsh": "query",
    "nodetool": "nodetool",
    "reconcile": "reconcile",
    "topics": "broker",
    "groups": "broker",
    "archive": "archive",
    "record": "recording",
    "replay": "recording",
}
"""Each command and the module of this package that holds it."""


class PipelineError(click.ClickException):
    """Something a person can mend: one clear line with the cure, exit 1, no stack trace."""

    def show(self, file: object = None) -> None:
        click.secho(f"error: {self.format_message()}", fg="red", err=True)


class LazyGroup(click.Group):
    """Imports a command's module only when the command runs, so that ``--help`` and small commands are quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"market_pipeline.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Where this pipeline keeps its data.")
@click.option("--port-base", type=click.IntRange(1024, 65400), help="First of the 100 ports it may use (default 29000).")
@click.version_option(package_name="market-pipeline")
@click.pass_context
def main(ctx: click.Context, data_dir: Path | None, port_base: int | None) -> None:
    """Real-time market data: Finnhub → Kafka → Spark → Cassandra, driven by Dagster.

    \b
    Examples:
      market-pipeline up                      start everything, without a key on the simulator
      market-pipeline status --watch          one screen that renews itself
      market-pipeline query "SELECT * FROM market_data.latest_prices"
      market-pipeline --data-dir /tmp/second --port-base 31000 up     a second pipeline beside the first
    """
    if data_dir is not None:
        os.environ["MARKET_PIPELINE_DATA_DIR"] = str(data_dir.expanduser().resolve())
    if port_base is not None:
        os.environ["MARKET_PIPELINE_PORT_BASE"] = str(port_base)
    ctx.obj = {}


def load_settings(**given: object) -> Settings:
    """The settings for a command; options that were not given stay as the environment says.

    Raises:
        PipelineError: a setting is wrong.
    """
    try:
        return Settings.load(**given)
    except SettingsError as error:
        raise PipelineError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
