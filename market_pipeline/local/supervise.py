"""supervisord, but for one thing: a log that can't be written neither ends it nor makes it deaf.

    python -m market_pipeline.local.supervise --nodaemon --configuration FILE

supervisord 4.3.0 tells an error of a log on stderr, and on a full disk that fails as well. The error then ends it, and
leaves what it keeps to itself, or it no longer reads a program's output, which hangs once the pipe is full
(``loggers.Handler.handleError``, ``dispatchers.PDispatcher.handle_error``; Supervisor/supervisor #1648 is its kin).
"""

import contextlib
from pathlib import Path
from typing import Any

from supervisor import loggers, supervisord


class ForgivingLog(loggers.RotatingFileHandler):  # type: ignore[misc]
    """A log whose lines are dropped while it can't be written, and which goes on when it can."""

    stream: Any

    def emit(self, record: object) -> None:
        try:
            super().emit(record)
        except (OSError, ValueError):  # at the change to a new file, or of a file that such a change left closed
            with contextlib.suppress(OSError):
                self.stream.close()
            with contextlib.suppress(OSError):
                self.stream = Path(self.baseFilename).open("ab")  # noqa: SIM115

    def handleError(self) -> None:  # noqa: N802 (supervisord's name)
        """Say nothing: stderr is on the same disk."""


def main() -> None:
    loggers.RotatingFileHandler = ForgivingLog
    supervisord.main()


if __name__ == "__main__":
    main()
