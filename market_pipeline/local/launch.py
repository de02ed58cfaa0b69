"""Becomes a program that takes no lock itself: takes it, prepares the program, and replaces this process by it.

    python -m market_pipeline.local.launch kafka

The JVM, say, is then the very process that was started, under the same pid, and holds the lock until it dies: a signal
to it reaches the server, and a second copy ends at once.
"""

import logging
import os
import signal
import sys
import time
from types import ModuleType

from market_pipeline.local import cassandra, dagster_home, kafka, supervisord, unix_sockets
from market_pipeline.local.jars import JarError
from market_pipeline.local.java import NoJava
from market_pipeline.local.jvm import UnusablePath
from market_pipeline.local.programs import DAGSTER, dagster_command
from market_pipeline.private_process import keep_private
from market_pipeline.settings import Settings, SettingsError
from market_pipeline.supervision.lock import EXIT_ALREADY_RUNNING, AlreadyRunning, ProcessLock
from market_pipeline.supervision.log_lines import start_logging, write_error

logger = logging.getLogger("launch")

SERVERS: dict[str, ModuleType] = {"kafka": kafka, "cassandra": cassandra}

CODE_SERVER_WITHIN_S, POLL_S = 120.0, 0.2

MENDABLE = (SettingsError, JarError, NoJava, UnusablePath, kafka.KafkaError, OSError)
"""What a person can put right: told in one line."""


def become(name: str, settings: Settings) -> None:
    """Replace this process by the program; returns only by an exception.

    Raises:
        AlreadyRunning: another process holds the program's lock.
    """
    lock = ProcessLock(settings.paths.lock(name)).acquire()
    if name == supervisord.NAME:
        lock.keep_through_exec(supervisord.LOCK_DESCRIPTOR)
        command = supervisord.command(settings.paths.config / supervisord.CONFIGURATION)
        os.chdir(settings.data_dir)  # to which the paths of its configuration are relative
    else:
        command = _server(name, settings) if name in SERVERS else _dagster(name, settings)
        lock.keep_through_exec()
    # started in the background a process is deaf to SIGINT, through exec as well, and Dagster then makes SIGTERM alike
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.execv(command[0], command)


def _server(name: str, settings: Settings) -> list[str]:
    server = SERVERS[name]
    server.prepare(settings)
    # Java takes the encoding of file names from the locale, and in the C locale knows ASCII only
    os.environ["LC_ALL"] = "C.UTF-8"
    command: list[str] = server.start_command(settings)
    return command


def _dagster(name: str, settings: Settings) -> list[str]:
    logging.getLogger("alembic").setLevel(logging.WARNING)  # each step of making Dagster's storage otherwise
    dagster_home.prepare(settings)
    if name != "dagster-code-server":
        _wait_for_code_server(settings)
    return dagster_command(name, settings)


def _wait_for_code_server(settings: Settings) -> None:
    """Return when the code server listens. A daemon or a webserver that starts sooner logs a page of stack traces, and
    shows a location that can't be loaded. Of a code server that does not start in time they tell."""
    deadline = time.monotonic() + CODE_SERVER_WITHIN_S
    while not unix_sockets.accepts(unix_sockets.code_server(settings)) and time.monotonic() < deadline:
        time.sleep(POLL_S)


LAUNCHABLE = (*SERVERS, *DAGSTER, supervisord.NAME)


def main(arguments: list[str]) -> int:
    keep_private()
    start_logging()
    if len(arguments) != 1 or arguments[0] not in LAUNCHABLE:
        write_error(f"usage: python -m market_pipeline.local.launch {'|'.join(LAUNCHABLE)}")
        return 2
    try:
        become(arguments[0], Settings.load_for(arguments[0]))
    except AlreadyRunning as error:
        logger.error("%s", error)
        return EXIT_ALREADY_RUNNING
    except MENDABLE as error:
        logger.error("%s cannot start: %s", arguments[0], error)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
