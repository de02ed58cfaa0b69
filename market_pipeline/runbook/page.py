"""``RUNBOOK.md``: made from the lines and the rules, by ``python -m market_pipeline.runbook.page > RUNBOOK.md``."""

import sys
from collections.abc import Callable, Iterator

from market_pipeline.alerts.rulebook import RULES
from market_pipeline.runbook.line import Line
from market_pipeline.runbook.lines import SECTIONS

HEAD = """\
# Runbook

Made by `python -m market_pipeline.runbook.page`; a test keeps it and the code the same. Each line of the runbook that
was followed by hand has an id, what does it now, and what to type. A job can also be launched on Dagster's page;
`dagster job execute` needs the two variables of the README. With a data dir of its own, every command of
`market-pipeline` takes `--data-dir`.
"""


Told = Callable[[Line], str | None]
"""What is known of a line here and now, such as when it last worked."""


Typed = Callable[[Line], str | None]
"""What a person types to have a line done."""


def page(told: Told = lambda _: None, typed: Typed = lambda line: line.command) -> str:
    """The whole page; ``told`` adds to each line, ``typed`` is its command."""
    return "\n".join([HEAD, *_sections(told, typed), *_rules()]) + "\n"


def _sections(told: Told, typed: Typed) -> Iterator[str]:
    for section in SECTIONS:
        yield f"## {section.title}"
        yield ""
        for line in section.lines:
            yield from _line(line, told(line), typed(line))
        yield ""


def _line(line: Line, more: str | None, command: str | None) -> Iterator[str]:
    by = [f"rule `{line.rule}`"] if line.rule else []
    by += [f"job `{line.job}`"] if line.job else []
    yield f"- **{line.id}**: {line.does}" + (f" ({', '.join(by)})" if by else "") + (f" **{more}**" if more else "")
    if command is not None:
        yield ""
        yield f"      {command}"
        yield ""


def _rules() -> Iterator[str]:
    yield "## What is watched"
    yield ""
    yield "| rule | severity | what is wrong | lasts | mended by |"
    yield "|---|---|---|---|---|"
    for rule in RULES.values():
        remedy = f"`{rule.remedy}`" + (", by itself" if rule.heals else "") if rule.remedy else "a person"
        yield f"| `{rule.id}` | {rule.severity} | {rule.title} | {rule.hold_s:.0f} s | {remedy} |"


if __name__ == "__main__":
    sys.stdout.write(page())
