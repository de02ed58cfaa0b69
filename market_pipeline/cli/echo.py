"""Every line that a command prints: what it shows may come from a vendor, a server or a file, and acts on no terminal.

``click.echo`` and its kin are banned elsewhere (ruff, TID251), so that a new command can't forget it.
"""

from typing import NamedTuple

import click

from market_pipeline.escaping import for_terminal


class Styled(NamedTuple):
    """A part of a line in a colour; None leaves it as it is."""

    text: str
    fg: str | None


def echo(*parts: str | Styled, fg: str | None = None, err: bool = False, nl: bool = True) -> None:
    """Print the parts one behind the other.

    Args:
        parts: texts, plain or in a colour.
        fg: the colour of the plain ones.
        err: on standard error.
        nl: end the line.
    """
    texts = (part if isinstance(part, Styled) else Styled(part, fg) for part in parts)
    line = "".join(_in_colour(for_terminal(text), colour) for text, colour in texts)
    click.echo(line, err=err, nl=nl)


def confirm(question: str) -> None:
    """Ask, and go on only if the answer is yes.

    Raises:
        click.Abort: it is not.
    """
    click.confirm(for_terminal(question), abort=True)


def _in_colour(text: str, colour: str | None) -> str:
    return text if colour is None else click.style(text, fg=colour)
