"""How our programs write their logs: UTC with its zone, so that lines of several logs can be put in order."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

from market_pipeline.escaping import for_log, for_terminal

FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"
TIME = "%Y-%m-%dT%H:%M:%S"
_INDENT = "  "


class LineFormatter(logging.Formatter):
    """One record, one line, whatever its text holds; the lines of a stack follow it, indented.

    What a vendor sends is in texts and in errors: a line feed or a carriage return in it would forge a record.
    """

    def __init__(self) -> None:
        super().__init__(FORMAT, TIME)
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        record.message, record.asctime = record.getMessage(), self.formatTime(record, self.datefmt)
        stack = record.exc_text or (self.formatException(record.exc_info) if record.exc_info else "")
        below = "\n".join(filter(None, (stack, record.stack_info))).rstrip("\n")
        lines = below.split("\n") if below else []
        return "\n".join([for_log(self.formatMessage(record)), *(_INDENT + for_log(each) for each in lines)])


def start_logging(*filters: logging.Filter | Callable[[logging.LogRecord], bool]) -> None:
    """Send what is INFO and above through the filters to standard error, where the supervisor picks it up; what nobody
    catches, too."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter())
    for each in filters:
        handler.addFilter(each)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def escape_records() -> None:
    """Escape the text of each record where it is made, in a process whose handlers are Dagster's: it writes them to
    standard error as they are. Line feeds stay: Dagster's own records hold stacks."""
    make = logging.getLogRecordFactory()
    if getattr(make, "escapes", False):
        return

    def escaped(*given: Any, **named: Any) -> logging.LogRecord:
        record = make(*given, **named)
        if isinstance(record.msg, str) and not isinstance(record.args, Mapping):
            with suppress(TypeError, ValueError):  # arguments that don't fit: logging says so itself
                record.msg, record.args = for_terminal(record.getMessage()), ()
        return record

    escaped.escapes = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(escaped)


def write_error(text: str) -> None:
    """Write in one line on standard error why a program can't run."""
    sys.stderr.write(f"error: {for_log(text)}\n")


def _uncaught(kind: type[BaseException], error: BaseException | None, where: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    logging.getLogger(__name__).critical("nobody caught this", exc_info=(kind, error or kind(), where))
