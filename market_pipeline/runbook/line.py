"""A line of the runbook, and a section of it. Only data."""

from dataclasses import dataclass


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
    """

    id: str
    seed: tuple[str, ...]
    does: str
    command: str | None = None
    job: str | None = None
    rule: str | None = None


@dataclass(frozen=True)
class Section:
    """A section of the page."""

    title: str
    lines: tuple[Line, ...]
