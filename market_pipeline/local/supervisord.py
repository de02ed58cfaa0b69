"""The supervisor's configuration. supervisord restarts at once what crashed, with a linear back-off, and gives up as
FATAL what does not stay up; everything wiser than that is Dagster's."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from market_pipeline.local import secrets, unix_sockets
from market_pipeline.local.jvm import write_if_changed
from market_pipeline.local.programs import FINAL_EXITS, Program, workspace_yaml
from market_pipeline.settings import Settings

NAME = "supervisord"

START_RETRIES = 8
"""With a back-off of 1, 2, 3 … seconds this is FATAL after about a minute."""

LOCK_DESCRIPTOR = 3
"""supervisord closes what is open above 4 when it starts, and everything above 2 in its children."""


def socket_path(settings: Settings) -> Path:
    """Where the supervisor listens."""
    name = "supervisor.sock"
    return unix_sockets.folder(settings, len(f"{name}.12345678")) / name  # supervisord binds a longer name first


def configuration(settings: Settings, programs: Sequence[Program], directories: Mapping[str, Path]) -> str:
    """``supervisord.conf``.

    Args:
        settings: of the pipeline.
        programs: what to keep; none is started by itself.
        directories: in which those programs run that do not in the data dir.
    """
    paths = settings.paths
    head = f"""\
[unix_http_server]
file={_plain(socket_path(settings))}
chmod=0700

[supervisord]
nodaemon=true
silent=true
logfile={_plain(paths.log(NAME))}
logfile_maxbytes=5MB
logfile_backups=2
pidfile={_plain(paths.run / "supervisord.pid")}
childlogdir={_plain(paths.logs)}
directory={_plain(settings.data_dir)}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
    where = {program.name: directories.get(program.name, settings.data_dir) for program in programs}
    return head + "".join(_section(settings, program, where[program.name]) for program in programs)


def _section(settings: Settings, program: Program, directory: Path) -> str:
    environment = ",".join(f'{name}="{_plain(value)}"' for name, value in program.environment.items())
    return f"""
[program:{program.name}]
command={_plain(shlex.join(program.command))}
directory={_plain(directory)}
environment={environment}
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
stdout_logfile={_plain(_plain(settings.paths.log(program.name)))}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


def _plain(value: object) -> str:
    """supervisord expands ``%(…)s``, and does so twice in the name of a program's log."""
    return str(value).replace("%", "%%")


def environment_for(settings: Settings, own: Mapping[str, str], java_home: Path) -> dict[str, str]:
    """What the supervisor and its programs get: our variables and the settings, and no secret."""
    variables = secrets.without_secrets(own)
    # decided here once: a program that cannot see the key must not decide for another feed
    variables |= {**settings.environment(), "MARKET_PIPELINE_FEED": settings.active_feed}
    variables |= {
        "JAVA_HOME": str(java_home),
        "PYTHONUNBUFFERED": "1",
        "PYSPARK_PYTHON": sys.executable,
        # glibc gives each thread an arena of its own otherwise, which is memory that nobody uses
        "MALLOC_ARENA_MAX": "2",
    }
    return variables


def write_configuration(settings: Settings, programs: Sequence[Program], own: Mapping[str, str]) -> Path:
    """Write what the supervisor and Dagster's workspace need; returns the configuration file."""
    for folder in (settings.paths.run, settings.paths.logs, settings.paths.config, settings.paths.dagster):
        folder.mkdir(parents=True, exist_ok=True)
    settings.paths.run.chmod(0o700)
    for socket in (socket_path(settings), unix_sockets.code_server(settings)):
        unix_sockets.secure(socket.parent)
    where = settings.paths.config / "supervisord.conf"
    write_if_changed(where, configuration(settings, programs, secrets.directories(settings, own)))
    write_if_changed(settings.paths.config / "workspace.yaml", workspace_yaml(settings))
    return where


def command(configuration_file: Path) -> list[str]:
    module = "market_pipeline.local.supervise"
    return [sys.executable, "-m", module, "--nodaemon", "--configuration", str(configuration_file)]
