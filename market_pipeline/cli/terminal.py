"""Where tables are printed: as wide as the terminal, and wide enough for a whole line in a pipe.

A console of rich's is banned elsewhere (ruff, TID251), so that a new command can't forget that what it shows may come
from a vendor, a server or a file.
"""

import sys
from collections.abc import Iterable
from typing import Any, NoReturn

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.status import Status
from rich.text import Text

from market_pipeline.escaping import for_terminal

PIPED_WIDTH = 200


class SafeConsole(Console):
    """Takes no text for markup, an emoji or an order to the terminal, wherever in a table it stands."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, highlight=False, emoji=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for each in super().render(renderable, options):
            yield each if each.control else Segment(for_terminal(each.text), each.style)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(for_terminal(text), **options)

    def on_broken_pipe(self) -> NoReturn:
        """Let whoever runs the command know that nobody reads any more: rich would end the program as for a fault."""
        raise

    def status(self, status: RenderableType, **options: Any) -> "PlainStatus":
        return PlainStatus(_plain(status), console=self, **options)


class PlainStatus(Status):
    """A line that renews itself; its text is no markup either."""

    def update(self, status: RenderableType | None = None, **options: Any) -> None:
        super().update(_plain(status) if status is not None else None, **options)


def console(*, err: bool = False) -> SafeConsole:
    """Standard output, or standard error; where it is no terminal, a pipe that would be taken for one of 80 columns."""
    stream = sys.stderr if err else sys.stdout
    return SafeConsole(width=None if stream.isatty() else PIPED_WIDTH, stderr=err)


def cell(text: str, style: str = "", *, whole: bool = False) -> Text:
    """Text in a style, as wide as it is shown, and ``whole`` in one line; text without either can be given to a table
    as it is."""
    return Text(for_terminal(text), style=style, no_wrap=whole or None, overflow="ignore" if whole else None)


def _plain(text: RenderableType) -> RenderableType:
    return cell(text) if isinstance(text, str) else text
