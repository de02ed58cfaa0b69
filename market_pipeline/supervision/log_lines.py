"""How our programs write their logs: UTC with its zone, so that lines of several logs can be put in order."""

import logging
import time
from collections.abc import Callable

FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"
TIME = "%Y-%m-%dT%H:%M:%S"


def start_logging(*filters: logging.Filter | Callable[[logging.LogRecord], bool]) -> None:
    """Send what is INFO and above through the filters to standard error, where the supervisor picks it up."""
    handler = logging.StreamHandler()
    formatter = logging.Formatter(FORMAT, TIME)
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    for each in filters:
        handler.addFilter(each)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
