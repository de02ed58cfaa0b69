"""Failures of queries, told in one line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

LENGTH = 400
_BY_PYTHON = "An exception was raised by the Python Proxy"
_RAISED = re.compile(r"^[\w.]+(?:Exception|Error): ")
"""The end of a stack of Python's."""
_CLASS = re.compile(r"^(?:[\w.$]+\.)?(\w*(?:Exception|Error))\b")


class StreamError(Exception):
    """The stream can't go on; the message is one line for a person."""


class BatchError(Exception):
    """A batch was not written; the message is one line."""


def one_line(text: str) -> str:
    """The part of Spark's message that says what happened, without packages, stack and plan."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line for line in lines if not line.startswith(("at ", "...", "===", "File ", "Traceback", "+-"))]
    if not causes:
        return "no message"
    raised = [line for line in causes if _RAISED.match(line)] if _BY_PYTHON in causes[0] else []
    innermost = next((line for line in reversed(causes) if line.startswith("Caused by: ")), (raised or causes[:1])[-1])
    return _CLASS.sub(r"\1", innermost.removeprefix("Caused by: "))[:LENGTH]


@contextmanager
def short_errors() -> Iterator[None]:
    """For the body of a ``foreachBatch``.

    Spark searches the message of what comes out of Python with a regular expression that recurses for each character:
    a long one, such as a Java stack, overflows the stack of the query's thread, and the query ends without a reason.
    """
    try:
        yield
    except Exception as error:
        raise BatchError(one_line(str(error))) from None
