"""What the feed's two programs have in common at their edge: settings, the log, and threads whose death is seen."""

import logging
import threading
from collections.abc import Callable

from market_pipeline.feed.secrecy import Secrecy
from market_pipeline.layout import write_version
from market_pipeline.private_process import keep_private
from market_pipeline.settings import Settings, SettingsError
from market_pipeline.supervision.log_lines import start_logging, write_error

EXIT_FAILED = 70
"""EX_SOFTWARE of sysexits.h."""
EXIT_USAGE = 2


def settings_or_exit(service: str) -> Settings:
    """The settings of a service, which keeps its files to itself; a wrong one ends the program with one line."""
    keep_private()
    try:
        settings = Settings.load_for(service)
        claim_data_dir(settings)
        return settings
    except SettingsError as error:
        write_error(str(error))
        raise SystemExit(EXIT_USAGE) from None


def claim_data_dir(settings: Settings) -> None:
    """Say with which layout the data dir is made: containers start no ``up`` that would.

    Raises:
        SettingsError: it can't be written.
    """
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_version(settings.data_dir)
    except OSError as error:
        raise SettingsError(
            f"cannot write to {settings.data_dir} ({error.strerror}): set MARKET_PIPELINE_DATA_DIR to another place"
        ) from None


def log_to_stderr(secrecy: Secrecy) -> None:
    """Log in UTC to stderr, with the key taken out of every record, whoever logged it."""
    start_logging(secrecy)
    for noisy in (
        "cassandra",
        "websockets",
        "market_pipeline.feed.librdkafka",
    ):  # what they tell is told by us, in one line
        logging.getLogger(noisy).setLevel(logging.CRITICAL)


class Threads:
    """Threads of which none dies unseen: the first failure is kept and stops the program.

    Args:
        stopped: set when one ends with an exception.

    Attributes:
        failures: by the thread's name.
    """

    def __init__(self, stopped: threading.Event) -> None:
        self.failures: dict[str, BaseException] = {}
        self._stopped = stopped
        self._threads: dict[str, threading.Thread] = {}

    def start(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._guarded, args=(name, work), name=name, daemon=True)
        self._threads[name] = thread
        thread.start()

    def join(self, name: str, within_s: float) -> None:
        self._threads[name].join(within_s)

    def _guarded(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self.failures[name] = error
            self._stopped.set()
