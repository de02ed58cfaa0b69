"""The supervisor's configuration. supervisord restarts at once what crashed, with a linear back-off, and gives up as
FATAL what does not stay up; everything wiser than that is Dagster's."""

import hashlib
import os
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from market_pipeline.local.jvm import write_if_changed
from market_pipeline.local.programs import FINAL_EXITS, Program, workspace_yaml
from market_pipeline.settings import Settings

NAME = "supervisord"
KEY_VARIABLES = ("FINNHUB_API_KEY", "MARKET_PIPELINE_FINNHUB_API_KEY")

START_RETRIES = 8
"""With a back-off of 1, 2, 3 … seconds this is FATAL after about a minute."""

SOCKET_PATH_LIMIT = 100
"""Bytes. Linux allows 107 in the address of a unix socket, macOS 103; supervisord binds a longer name first."""

LOCK_DESCRIPTOR = 3
"""supervisord closes what is open above 4 when it starts, and everything above 2 in its children."""


def socket_path(settings: Settings) -> Path:
    """Where the supervisor listens: in the data dir, or in a short folder of ours when that path is too long."""
    usual = settings.paths.run / "supervisor.sock"
    if len(os.fsencode(usual)) + len(".12345678") <= SOCKET_PATH_LIMIT:
        return usual
    digest = hashlib.sha256(os.fsencode(settings.data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"market-pipeline-{os.getuid()}" / f"{digest}.sock"


def key_folder(settings: Settings) -> Path:
    """Where the producer runs when the key came from the environment: beside a ``.env`` of ours with the key, which
    only this user may read and which is there while the pipeline runs."""
    return settings.paths.run / "producer"


def configuration(settings: Settings, programs: Sequence[Program], producer_directory: Path) -> str:
    """``supervisord.conf``.

    Args:
        settings: of the pipeline.
        programs: what to keep; none is started by itself.
        producer_directory: where the producer runs: beside the ``.env`` with the key, when it needs one.
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
    return head + "".join(_section(settings, program, producer_directory) for program in programs)


def _section(settings: Settings, program: Program, producer_directory: Path) -> str:
    environment = ",".join(f'{name}="{_plain(value)}"' for name, value in program.environment.items())
    return f"""
[program:{program.name}]
command={_plain(shlex.join(program.command))}
directory={_plain(producer_directory if program.name == "producer" else settings.data_dir)}
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


def key_in(environment: Mapping[str, str]) -> str | None:
    """The Finnhub key among the variables, under either of its names."""
    return next((environment[name] for name in KEY_VARIABLES if environment.get(name)), None)


def environment_for(settings: Settings, own: Mapping[str, str], java_home: Path) -> dict[str, str]:
    """What the supervisor and its programs get: our variables and the settings, never the key."""
    variables = {name: value for name, value in own.items() if name not in KEY_VARIABLES}
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
    _secure_socket_folder(settings)
    where = settings.paths.config / "supervisord.conf"
    write_if_changed(where, configuration(settings, programs, _producer_directory(settings, key_in(own))))
    write_if_changed(settings.paths.config / "workspace.yaml", workspace_yaml(settings))
    return where


def _producer_directory(settings: Settings, exported_key: str | None) -> Path:
    """Where the producer finds the key in a ``.env``, which is the only way in which it is told it: the variables of a
    process can be read by whoever may look at the process, those of its children and its supervisor too."""
    forget_key(settings)
    if settings.active_feed != "finnhub":
        return settings.data_dir
    if exported_key is None:
        return Path.cwd()
    folder = key_folder(settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    quoted = exported_key.replace("\\", "\\\\").replace("'", "\\'")
    file = folder / ".env"
    file.touch(mode=0o600, exist_ok=False)
    file.write_text(f"{KEY_VARIABLES[0]}='{quoted}'\n", encoding="utf-8")
    return folder


def forget_key(settings: Settings) -> None:
    """Remove the copy of an exported key."""
    (key_folder(settings) / ".env").unlink(missing_ok=True)


def _secure_socket_folder(settings: Settings) -> None:
    folder = socket_path(settings).parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user: use a shorter --data-dir")
    folder.chmod(0o700)


def command(configuration_file: Path) -> list[str]:
    module = "market_pipeline.local.supervise"
    return [sys.executable, "-m", module, "--nodaemon", "--configuration", str(configuration_file)]
