"""A line of the runbook, and a section of it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

PROGRAM = "market-pipeline"


@dataclass(frozen=True)
class Line:
    """One line.

    Attributes:
        id: short, for links and talk.
        seed: the line as the runbook had it, without its mark-up; several, where one thing does them; none, where
            nothing could be done.
        does: what it is here.
        command: what a person types; None where only a job or a rule does it.
        job: Dagster's job that does it, or whose report has it.
        rule: the rule of the alerts that watches for it.
        is_example: the command's arguments are an example; whoever gives others does what the line tells.
    """

    id: str
    seed: tuple[str, ...]
    does: str
    command: str | None = None
    job: str | None = None
    rule: str | None = None
    is_example: bool = False

    def is_done_by(self, command: Sequence[str], arguments: Sequence[str]) -> bool:
        """Whether this is what a person did who ran one of our commands, such as ``topics read``, with such arguments.

        Options don't matter. An incident's whole id is as good as its rule, with which it begins.
        """
        told = [] if self.command is None else shlex.split(self.command)
        if told[:1] != [PROGRAM]:
            return False
        words = list(takewhile(lambda word: not word.startswith("-"), told[1:]))
        if words[: len(command)] != list(command):
            return False
        wanted = words[len(command) :]
        if self.is_example:
            return True
        return len(wanted) == len(arguments) and all(
            given == each or given.startswith(f"{each}/") for each, given in zip(wanted, arguments, strict=True)
        )


@dataclass(frozen=True)
class Section:
    """A section of the page."""

    title: str
    lines: tuple[Line, ...]
