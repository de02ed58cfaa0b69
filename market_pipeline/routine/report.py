"""A report: what each box of a checklist found out, as data and as a page to read. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from market_pipeline.charts import as_markdown
from market_pipeline.escaping import for_markdown
from market_pipeline.mendable import Mendable
from market_pipeline.store.cluster import STORE_ERRORS

Row = Mapping[str, object]
MENDABLE = (Mendable, *STORE_ERRORS)
"""What keeps a box from being looked at; it is told in the box, and the others are looked at all the same."""
SHOWN_ROWS = 50


@dataclass(frozen=True)
class Finding:
    """What one box found out.

    Attributes:
        fine: whether all is well; None when that could not be told.
        text: the same in a line.
        rows: a table, if there is one.
        chart: an SVG picture, if there is one.
    """

    fine: bool | None
    text: str
    rows: Sequence[Row] = ()
    chart: str | None = None


@dataclass(frozen=True)
class Box:
    """One box of a checklist.

    Attributes:
        id: short, in kebab case: what the runbook's page and the report call it.
        title: what a person would do.
        look: does it.
    """

    id: str
    title: str
    look: Callable[[], Finding]


@dataclass(frozen=True)
class Report:
    """What a checklist found out, by box, in its order.

    Attributes:
        title: of the page.
        made_at: when.
        findings: by the box's id, with its title.
        well: what is said of it when no box needs a person.
    """

    title: str
    made_at: datetime
    findings: Mapping[str, tuple[str, Finding]] = field(default_factory=dict)
    well: str = "all is well"

    @property
    def attention(self) -> list[str]:
        """The boxes that need a person: what is not well, and what could not be told."""
        return [name for name, (_, found) in self.findings.items() if found.fine is not True]

    @property
    def verdict(self) -> str:
        """In words."""
        wanted = len(self.attention)
        return self.well if not wanted else f"{wanted} of {len(self.findings)} need a person"

    def markdown(self) -> str:
        """The page."""
        return "\n".join(_page(self))


def fill_in(
    title: str, boxes: Sequence[Box], made_at: datetime, tell: Callable[[str], None] = lambda _: None
) -> Report:
    """Look at every box; ``tell`` hears a line for each."""
    findings = {}
    for box in boxes:
        try:
            found = box.look()
        except MENDABLE as error:
            found = Finding(None, f"could not be told: {' '.join(str(error).split())}")
        findings[box.id] = (box.title, found)
        tell(f"{MARKS[found.fine]} {box.title}: {found.text}")
    return Report(title, made_at, findings)


MARKS: Mapping[bool | None, str] = {True: "✅", False: "❌", None: "❔"}


def _page(report: Report) -> Iterator[str]:
    yield f"# {for_markdown(report.title)}"
    yield ""
    yield f"{report.made_at:%Y-%m-%d %H:%M} UTC: **{report.verdict}**."
    yield ""
    for title, found in report.findings.values():
        yield f"- {MARKS[found.fine]} **{for_markdown(title)}**: {cell(found.text)}"
    for title, found in report.findings.values():
        if not found.rows and found.chart is None:
            continue
        yield ""
        yield f"## {for_markdown(title)}"
        yield ""
        if found.chart is not None:
            yield as_markdown(found.chart, f"{title}: {found.text}")
            yield ""
        yield from _table(found.rows)
    yield ""


def _table(rows: Sequence[Row]) -> Iterator[str]:
    if not rows:
        return
    names = list(rows[0])
    yield "| " + " | ".join(map(cell, names)) + " |"
    yield "|" + "---|" * len(names)
    for row in rows[:SHOWN_ROWS]:
        yield "| " + " | ".join(cell(row.get(name, "")) for name in names) + " |"
    if len(rows) > SHOWN_ROWS:
        yield f"… and {len(rows) - SHOWN_ROWS:,} more"


def cell(value: object) -> str:
    """A value that breaks no table and is no markup."""
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return for_markdown(text)
