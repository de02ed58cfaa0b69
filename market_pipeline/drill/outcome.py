"""What a drill of one fault showed, and the page of all. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from market_pipeline.drill.faults import Fault


@dataclass(frozen=True)
class Outcome:
    """One fault's.

    Attributes:
        fault: its name.
        title: what broke.
        within_s: how soon it should be well again.
        noticed_s: from the fault until somebody noticed, who is ``noticed_by``; None: nobody did in time.
        told_s: from the fault until Slack had the message ``message``; None: nobody was told.
        healed_s: until trades were queryable again as they came, from the fault, or from the moment at which its cause
            was taken away (``mended``); None: never in time.
        unheard_s: how long the feed was not listened to: those trades can't be had.
        lost: trades that were received and are not where they belong, and likewise ``doubled``, ``bars_wrong``.
        left_out: why the fault could not be tried; the rest says nothing then.
        should_be_told: whether a message was wanted.
    """

    fault: str
    title: str
    within_s: float
    noticed_s: float | None = None
    noticed_by: str = ""
    told_s: float | None = None
    message: str = ""
    healed_s: float | None = None
    mended: bool = False
    unheard_s: float = 0.0
    lost: int = 0
    doubled: int = 0
    bars_wrong: int = 0
    left_out: str = ""
    should_be_told: bool = False

    @property
    def shortcomings(self) -> list[str]:
        """What is not as it should be."""
        if self.left_out:
            return []
        found = ["nobody noticed"] if self.noticed_s is None else []
        found += ["nobody was told"] if self.should_be_told and self.told_s is None else []
        if self.healed_s is None:
            found.append("not well again")
        elif self.healed_s > self.within_s:
            found.append(f"well again after {self.healed_s:.0f} s, wanted within {self.within_s:.0f} s")
        for count, what in ((self.lost, "lost"), (self.doubled, "doubled"), (self.bars_wrong, "bars wrong")):
            found += [f"{count:,} {what}"] if count else []
        return found

    @property
    def is_failure(self) -> bool:
        """Something was lost, or it did not come back, or nobody knew. Slower than it should be is no failure."""
        slow = self.healed_s is not None and self.healed_s > self.within_s
        return len(self.shortcomings) > slow


HEADINGS = ("fault", "noticed", "by", "message", "well again", "aim", "not heard", "lost", "doubled")


def left_out(fault: Fault, why: str) -> Outcome:
    """A fault that could not be tried."""
    return Outcome(fault.name, fault.title, fault.within_s, left_out=why)


def cells(outcome: Outcome) -> tuple[str, ...]:
    """A line of the table, in the order of ``HEADINGS``."""
    if outcome.left_out:
        return (outcome.title, f"not tried: {outcome.left_out}", *[""] * (len(HEADINGS) - 2))
    healed = _seconds(outcome.healed_s) + (" after the cause was gone" if outcome.mended and outcome.healed_s else "")
    told = _seconds(outcome.told_s) if outcome.told_s is not None or outcome.should_be_told else "none needed"
    return (
        outcome.title,
        _seconds(outcome.noticed_s),
        outcome.noticed_by,
        told,
        healed,
        f"{outcome.within_s:.0f} s",
        f"{outcome.unheard_s:.1f} s",
        f"{outcome.lost:,}",
        f"{outcome.doubled:,}",
    )


def page(outcomes: Iterable[Outcome], made_at: datetime, machine: str) -> str:
    """The page."""
    return "\n".join(_lines(list(outcomes), made_at, machine)) + "\n"


def _lines(outcomes: list[Outcome], made_at: datetime, machine: str) -> Iterator[str]:
    yield f"# Drill of {made_at:%Y-%m-%d %H:%M} UTC"
    yield ""
    yield f"Every fault was made in a running pipeline, on {machine}."
    yield "*Not heard* is how long nobody listened to the feed: the trades of that time can't be had."
    yield ""
    yield "| " + " | ".join(HEADINGS) + " |"
    yield "|" + "---|" * len(HEADINGS)
    for outcome in outcomes:
        yield "| " + " | ".join(each.replace("|", "\\|") for each in cells(outcome)) + " |"
    yield ""
    for outcome in outcomes:
        if outcome.shortcomings:
            yield f"- **{outcome.fault}**: {'; '.join(outcome.shortcomings)}"
        if outcome.message:
            yield f"- {outcome.fault} was told as: {outcome.message}"


def _seconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s"
