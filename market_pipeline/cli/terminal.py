"""Where tables are printed: as wide as the terminal, and wide enough for a whole line in a pipe."""

import sys

from rich.console import Console

PIPED_WIDTH = 200


def console() -> Console:
    """Standard output; where it is no terminal, a pipe that would be taken for one of 80 columns."""
    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
