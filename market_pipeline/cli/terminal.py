"""Where tables are printed: as wide as the terminal, and wide enough for a whole line in a pipe."""

import sys

from rich.console import Console


def console(piped_width: int) -> Console:
    """Standard output; ``piped_width`` is its width in columns where nobody's terminal has one."""
    return Console(width=None if sys.stdout.isatty() else piped_width)
