"""The console script ``market-pipeline``: one module a group of commands, loaded when its command is asked for."""

import contextlib
import difflib
import errno
import functools
import importlib
import io
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from market_pipeline.cli.echo import echo
from market_pipeline.env_file import read_env_file
from market_pipeline.layout import kept_port_base
from market_pipeline.mendable import InvalidInput, Mendable
from market_pipeline.private_process import keep_private
from market_pipeline.settings import Settings, SettingsError, unknown_variables
from market_pipeline.supervision.lock import holder

COMMANDS = {
    "up": ("lifecycle", "Start everything; returns or shows progress until trades can be queried."),
    "down": ("lifecycle", "Stop everything in order, losing nothing."),
    "status": ("status", "One screen: processes, feed, Kafka, stream, Cassandra."),
    "dagster-url": ("dagster_url", "Print the URL that signs your browser in to Dagster's page."),
    "query": ("query", "Run one CQL statement; a table or exact JSON."),
    "reconcile": ("reconcile", "Compare received = produced = bronze = silver = bars and latest prices of a day."),
    "smoke-test": ("smoke_test", "Send a marked trade over the whole path, and see it at every hop."),
    "drill": ("drill", "Break a pipeline of its own for real, and see who notices and what is lost."),
    "doctor": ("doctor", "Check this machine and the pipeline; one line each, with the cure."),
    "incidents": ("incidents", "What is wrong, what was, and what is done about it."),
    "runbook": ("runbook", "What the runbook tells to do, and when it last worked here."),
    "logs": ("logs", "Show or follow the logs of one service or of all."),
    "restart": ("restart", "Restart one service, and see that it works."),
    "init": ("lifecycle", "Create the topics and tables that are missing."),
    "topics": ("broker", "List, create or delete Kafka topics."),
    "groups": ("broker", "List or describe Kafka consumer groups."),
    "tune": ("tune", "Performance parameters, as the servers really have them."),
    "cqlsh": ("cqlsh", "Cassandra's own CQL shell: DESCRIBE, COPY, TRACING, SOURCE, …"),
    "nodetool": ("nodetool", "Cassandra's nodetool: status, info, tablestats, compact, cleanup, …"),
    "archive": ("archive", "Archive new records of trades_raw to Parquet (bronze)."),
    "record": ("recording", "Write what was received to a file that can be replayed."),
    "replay": ("recording", "Serve a recorded file as a feed."),
}
"""Each command: the module of this package that holds it, and its line in the list of commands."""


class PipelineError(click.ClickException):
    """Something a person can mend: one clear line with the cure, exit 1, no stack trace."""

    def show(self, file: object = None) -> None:
        echo(f"error: {self.format_message()}", fg="red", err=True)


class Misuse(PipelineError):
    """What was typed is not what the command takes: one line that says so and where it is told, exit 2."""

    exit_code = 2

    def __init__(self, error: click.UsageError) -> None:
        said = " ".join(error.format_message().split()).rstrip(".")
        command = error.ctx.command_path if error.ctx is not None else "market-pipeline"
        super().__init__(f"{said[:1].lower()}{said[1:]}: see `{command} --help`")


@contextlib.contextmanager
def _misuse_in_one_line() -> Iterator[None]:
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:  # a group alone shows its help
        raise
    except click.UsageError as error:
        raise Misuse(error) from None


def unusable(error: OSError) -> str:
    """A file, a folder or a disk that can't be used, in one line with the cure."""
    if error.strerror is None:  # one of our own, which says what to do
        return str(error)
    where = f"{error.filename}: " if error.filename is not None else ""
    cure = "make room on the disk" if error.errno == errno.ENOSPC else "put that right, or choose another --data-dir"
    return f"{where}{error.strerror}: {cure}"


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


LOOKED_ONLY = "market_pipeline.looked_only"
"""In a context's ``meta``: the command did not do what it is for, such as in a dry run."""
READER_GONE = (-signal.SIGPIPE, 128 + signal.SIGPIPE)
"""The exit codes of a program of others that wrote to a closed pipe."""
REPORTED_FAULT = "market_pipeline.reported_fault"
"""In a context's ``meta``: the command ends well, and what it shows is not."""


def _noting_outcome(command: click.Command, name: str) -> None:
    """Have a command note that it worked or reported a fault, where a pipeline is: the runbook shows it."""
    act = command.callback
    if act is None:
        return

    @functools.wraps(act)
    def noting(*args: Any, **kwargs: Any) -> Any:
        try:
            outcome = act(*args, **kwargs)
        except (click.UsageError, InvalidInput, BrokenPipeError):
            raise  # a typo, or a reader such as `head` that had enough: neither works nor is a fault
        except SystemExit as ending:
            if ending.code not in READER_GONE:
                _note_outcome(click.get_current_context(), name, fault=bool(ending.code))
            raise
        except (Mendable, OSError, click.ClickException):
            _note_outcome(click.get_current_context(), name, fault=True)
            raise
        _note_outcome(click.get_current_context(), name)
        return outcome

    command.callback = noting


def _note_outcome(ctx: click.Context, name: str, *, fault: bool = False) -> None:
    from market_pipeline.runbook.worked import note

    if ctx.meta.get(LOOKED_ONLY):
        return
    given = [ctx.params[each.name] for each in ctx.command.params if isinstance(each, click.Argument) and each.name]
    words = [word for each in given for word in (each if isinstance(each, tuple) else (each,)) if word is not None]
    with contextlib.suppress(OSError, SettingsError):
        paths = Settings.load().paths
        if paths.version.exists():
            fault = fault or bool(ctx.meta.get(REPORTED_FAULT))
            note(paths.worked, name.split(), [str(word) for word in words], fault=fault)


def _with_pipeline_options(command: click.Command, name: str) -> click.Command:
    if isinstance(command, click.Group):
        for child in command.commands.values():
            _with_pipeline_options(child, f"{name} {child.name}")
    if any(param.name == "data_dir" for param in command.params):
        return command
    command.params.extend(_which_pipeline())
    if not isinstance(command, click.Group):
        _noting_outcome(command, name)
    return command


class LazyGroup(click.Group):
    """Imports a command's module only when the command runs, so that ``--help`` and small commands are quick."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.params.extend(_which_pipeline())

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _misuse_in_one_line():
            return super().make_context(*args, **kwargs)

    def main(self, *args: Any, **extra: Any) -> Any:
        # in an ASCII or Latin locale a sign that it lacks is shown as an escape; standard error does so anyway
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        return super().main(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what a person can put right is told in one line, whatever met it."""
        keep_private()
        try:
            with _misuse_in_one_line():
                return super().invoke(ctx)
        except Mendable as error:
            if log := getattr(error, "log", ""):
                echo(log, err=True)
            raise PipelineError(" ".join(str(error).split())) from None
        except OSError as error:
            if error.filename is None:
                raise
            raise PipelineError(unusable(error)) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            raise click.UsageError(f"no such command {args[0]!r}{f', perhaps {near[0]}' if near else ''}", ctx)
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"market_pipeline.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return _with_pipeline_options(command, cmd_name)


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


def load_settings(*, as_started: bool = True, **given: object) -> Settings:
    """The settings for a command; options that were not given stay as the environment says.

    Raises:
        PipelineError: a setting is wrong, or the pipeline runs on other ports, on which its servers would look dead.
    """
    settings = chosen_settings(as_started=as_started, **given)
    kept = kept_port_base(settings.paths)
    if kept not in (None, settings.port_base) and holder(settings.paths.lock("supervisord")) is not None:
        raise PipelineError(
            f"the pipeline on {settings.data_dir} runs at port base {kept}, not {settings.port_base}: leave out "
            "--port-base and MARKET_PIPELINE_PORT_BASE, or give another one a --data-dir of its own too"
        )
    return settings


def chosen_settings(*, as_started: bool = True, **given: object) -> Settings:
    """The same, whatever runs.

    Raises:
        PipelineError: a setting is wrong.
    """
    try:
        settings = Settings.load(as_started=as_started, **given)
    except SettingsError as error:
        raise PipelineError(str(error)) from None
    for name, meant in unknown_variables({*os.environ, *read_env_file(Path(".env"))}).items():
        cure = f"did you mean {meant}?" if meant else "README lists those that there are"
        echo(f"warning: there is no setting {name}: {cure}", fg="yellow", err=True)
    return settings
