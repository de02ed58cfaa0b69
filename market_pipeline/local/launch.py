"""Becomes an embedded server: takes its lock, prepares it, and replaces this process by its JVM.

    python -m market_pipeline.local.launch kafka

The JVM is then the very process that was started, under the same pid, and holds the lock until it dies: a signal to it
reaches the server, and a second copy ends at once.
"""

import logging
import os
import sys
from types import ModuleType

from market_pipeline.local import cassandra, kafka
from market_pipeline.local.jars import JarError
from market_pipeline.local.java import NoJava
from market_pipeline.local.jvm import UnusablePath
from market_pipeline.settings import Settings, SettingsError
from market_pipeline.supervision.lock import EXIT_ALREADY_RUNNING, AlreadyRunning, ProcessLock

logger = logging.getLogger(__name__)

SERVERS: dict[str, ModuleType] = {"kafka": kafka, "cassandra": cassandra}

MENDABLE = (SettingsError, JarError, NoJava, UnusablePath, kafka.KafkaError, OSError)
"""What a person can put right: told in one line."""


def become(name: str, settings: Settings) -> None:
    """Replace this process by the server; returns only by an exception.

    Raises:
        AlreadyRunning: another process holds the server's lock.
    """
    server = SERVERS[name]
    lock = ProcessLock(settings.paths.lock(name)).acquire()
    server.prepare(settings)
    command = server.start_command(settings)
    lock.keep_through_exec()
    # Java takes the encoding of file names from the locale, and in the C locale knows ASCII only
    os.execve(command[0], command, os.environ | {"LC_ALL": "C.UTF-8"})


def main(arguments: list[str]) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if len(arguments) != 1 or arguments[0] not in SERVERS:
        sys.stderr.write(f"usage: python -m market_pipeline.local.launch {'|'.join(SERVERS)}\n")
        return 2
    try:
        become(arguments[0], Settings.load())
    except AlreadyRunning as error:
        logger.error("%s", error)
        return EXIT_ALREADY_RUNNING
    except MENDABLE as error:
        logger.error("%s cannot start: %s", arguments[0], error)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
