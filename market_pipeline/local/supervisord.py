"""The supervisor's configuration. supervisord restarts at once what crashed, with a linear back-off, and gives up as
FATAL what does not stay up; everything wiser than that is Dagster's."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from market_pipeline.interpreter import PYTHON, SAFE_PATH
from market_pipeline.local import secrets, unix_sockets
from market_pipeline.local.jvm import UnusablePath, write_if_changed
from market_pipeline.local.programs import FINAL_EXITS, Program, workspace_yaml
from market_pipeline.service_overrides import forget_overrides
from market_pipeline.settings import PRODUCER_ENV_FILE, Settings

NAME = "supervisord"
CONFIGURATION = "supervisord.conf"

START_RETRIES = 8
"""With a back-off of 1, 2, 3 … seconds this is FATAL after about a minute."""

LOCK_DESCRIPTOR = 3
"""supervisord closes what is open above 4 when it starts, and everything above 2 in its children."""


def socket_path(settings: Settings) -> Path:
    """Where the supervisor listens."""
    name = "supervisor.sock"
    return unix_sockets.folder(settings, len(f"{name}.12345678")) / name  # supervisord binds a longer name first


def configuration(settings: Settings, programs: Sequence[Program], folders: Mapping[str, str]) -> str:
    """``supervisord.conf``, for a supervisor that runs in the data dir.

    Nothing that a user chose is in it: paths are relative to the data dir, and settings reach the programs by their
    environment. It would be a line of its own, a command or an expansion before anybody noticed.

    Args:
        settings: of the pipeline.
        programs: what to keep; none is started by itself.
        folders: of the data dir, in which those programs run that do not in the data dir itself.

    Raises:
        UnusablePath: the path of Python, or of a socket outside the data dir, can't be written in such a file.
    """
    head = f"""\
[unix_http_server]
file={_within(settings, socket_path(settings))}
chmod=0700

[supervisord]
nodaemon=true
silent=true
logfile={_within(settings, settings.paths.log(NAME))}
logfile_maxbytes=5MB
logfile_backups=2
pidfile={_within(settings, settings.paths.run / "supervisord.pid")}
childlogdir={_within(settings, settings.paths.logs)}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
    return head + "".join(_section(settings, program, folders.get(program.name, "")) for program in programs)


def _section(settings: Settings, program: Program, folder: str) -> str:
    return f"""
[program:{program.name}]
command={_plain(shlex.join(program.command))}
{f"directory={folder}" if folder else "# it runs in the data dir"}
autostart=false
autorestart={"true" if program.always else "unexpected"}
exitcodes={",".join(map(str, FINAL_EXITS))}
startsecs={program.up_after_s}
startretries={START_RETRIES}
stopsignal=TERM
stopwaitsecs={program.stop_within_s}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile={_within(settings, settings.paths.log(program.name))}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


def _within(settings: Settings, path: Path) -> str:
    """The path as the supervisor sees it from the data dir."""
    inside = path.is_relative_to(settings.data_dir)
    return str(path.relative_to(settings.data_dir)) if inside else _plain(str(path))


def _plain(value: str) -> str:
    """A value that is read as it is: supervisord expands ``%(…)s``, and cuts off what it takes for a comment.

    Raises:
        UnusablePath: no spelling keeps supervisord from reading something else.
    """
    if not value.isprintable() or value != value.strip() or " ;" in value or " #" in value:
        raise UnusablePath(
            f"the path {value!a} has characters that the supervisor takes for the end of a line: "
            "install market-pipeline, or let TMPDIR be, somewhere else"
        )
    return value.replace("%", "%%")


def environment_for(settings: Settings, own: Mapping[str, str], java_home: Path) -> dict[str, str]:
    """What the supervisor and its programs get: what they need of our variables, and the settings without secrets."""
    variables = secrets.inherited(own)
    # decided here once: a program that cannot see the key must not decide for another feed
    variables |= {**settings.environment(), "MARKET_PIPELINE_FEED": settings.active_feed}
    variables |= {
        "DAGSTER_HOME": str(settings.paths.dagster),
        "JAVA_HOME": str(java_home),
        "PYTHONUNBUFFERED": "1",
        **SAFE_PATH,
        "PYSPARK_PYTHON": sys.executable,
        # glibc gives each thread an arena of its own otherwise, which is memory that nobody uses
        "MALLOC_ARENA_MAX": "2",
    }
    if (key_file := secrets.producer_env_file(settings, own)) is not None:
        variables[PRODUCER_ENV_FILE] = str(key_file)
    return variables


def write_configuration(settings: Settings, programs: Sequence[Program], own: Mapping[str, str]) -> Path:
    """Write what the supervisor and Dagster's workspace need; returns the configuration file."""
    for folder in (settings.paths.run, settings.paths.logs, settings.paths.config, settings.paths.dagster):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    for socket in (socket_path(settings), unix_sockets.code_server(settings)):
        unix_sockets.secure(socket.parent)
    forget_overrides(settings.paths.run)
    where = settings.paths.config / CONFIGURATION
    folders = {
        name: str(folder.relative_to(settings.data_dir)) for name, folder in secrets.directories(settings, own).items()
    }
    write_if_changed(where, configuration(settings, programs, folders))
    write_if_changed(settings.paths.config / "workspace.yaml", workspace_yaml(settings))
    return where


def command(configuration_file: Path) -> list[str]:
    module = "market_pipeline.local.supervise"
    return [*PYTHON, "-m", module, "--nodaemon", "--configuration", str(configuration_file)]
