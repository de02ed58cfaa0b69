"""The console script ``market-pipeline``: one module a group of commands, loaded when its command is asked for."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

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


def _export(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Both options become variables, so that this command and every process that it starts read the same settings."""
    if value is not None and param.name is not None:
        text = value.expanduser().resolve() if isinstance(value, Path) else value
        os.environ[f"MARKET_PIPELINE_{param.name.upper()}"] = str(text)


def _which_pipeline() -> list[click.Option]:
    folder = click.Path(path_type=Path, file_okay=False)
    ports = click.IntRange(1024, 65400)
    return [
        click.Option(
            ["--data-dir"], type=folder, expose_value=False, is_eager=True, callback=_export,
            help="Where this pipeline keeps its data.",
        ),
        click.Option(
            ["--port-base"], type=ports, expose_value=False, is_eager=True, callback=_export,
            help="First of the 100 ports it may use.",
        ),
    ]  # fmt: skip


def _with_pipeline_options(command: click.Command) -> click.Command:
    if not any(param.name == "data_dir" for param in command.params):
        command.params.extend(_which_pipeline())
    if isinstance(command, click.Group):
        for child in command.commands.values():
            _with_pipeline_options(child)
    return command


class LazyGroup(click.Group):
    """Imports a command's module only when the command runs, so that ``--help`` and small commands are quick."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.params.extend(_which_pipeline())

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"market_pipeline.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return _with_pipeline_options(command)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="market-pipeline")
def main() -> None:
    """Real-time market data: Finnhub → Kafka → Spark → Cassandra, driven by Dagster.

    Settings come from MARKET_PIPELINE_* variables and a .env file; --data-dir and --port-base go with every command.

    \b
    Examples:
      market-pipeline up                      start everything, without a key on the simulator
      market-pipeline status --watch          one screen that renews itself
      market-pipeline query "SELECT * FROM market_data.latest_prices"
      market-pipeline up --data-dir /tmp/second --port-base 31000     a second pipeline beside the first
    """


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
