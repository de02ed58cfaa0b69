"""An incident: one rule and one subject, from the first bad look to the end. Immutable; the engine makes the next one.

All times are epoch seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from market_pipeline.alerts.severity import Severity

STALE_AFTER_S = 120.0
"""Everything is looked at each half minute, and a look at servers that do not answer takes some seconds more."""


class State(StrEnum):
    PENDING = "pending"
    OPEN = "open"
    ACKED = "acked"
    RESOLVED = "resolved"


class Change(StrEnum):
    """What became of an incident in one step, for the ledger and for whoever is told."""

    OPENED = "opened"
    WORSENED = "worsened"
    ESCALATED = "escalated"
    ACKED = "acked"
    REOPENED = "reopened"
    RESOLVED = "resolved"
    TOLD_LATE = "told late"
    """It was kept back while a silence or another incident held, and is told now that it outlasted that."""
    INHERITED = "inherited"
    """A new start of the pipeline found it open."""


@dataclass(frozen=True)
class Moment:
    """What was seen of an incident at one moment: when, in words, its figure and its evidence."""

    at: float
    text: str
    value: float | None
    evidence: Mapping[str, Any]


@dataclass(frozen=True)
class Incident:
    """One incident.

    Attributes:
        id: the same for all its life, and of no other: what links, threads and runs are named by.
        rule: the rule's id.
        subject: what it is about.
        severity: the worst so far.
        state: see ``State``.
        since: the first bad look.
        opened_at: when it had lasted long enough; None while pending.
        level: how often it was escalated.
        escalated_at: when somebody was told last, from which the next escalation counts.
        acked_at: when, by ``acked_by``; both None unless acked.
        bad_at: the last bad look.
        clear_since: the first good look of the present run of good ones.
        evaluated_at: when its rule last had data to evaluate, good or bad.
        no_data_since: since when its rule has had none; None where the last evaluation had.
        resolved_at: the end.
        resolved_by: who ended it: a person, a run of its remedy, the supervisor that restarted its service, or
            ``"itself"`` when it was fine for long enough and nothing is known to have mended it.
        withheld: why nobody was told of it yet; None once they were.
        followed_at: when it followed from another incident last.
        flaps: how often it seemed over and was not.
        text: the newest bad look in words.
        value: its figure.
        mendable: whether the rule's remedy can be of any use.
        evidence: its evidence.
        worst_at: when it was worst: in its worst severity, by its rule's figure, and the first of such moments, for
            what comes later is on its way to be well. None of one that an older version kept.
        worst_text: that moment in words.
        worst_value: its figure then.
        worst_evidence: the evidence of that moment.
    """

    id: str
    rule: str
    subject: str
    severity: Severity
    state: State
    since: float
    opened_at: float | None = None
    level: int = 0
    escalated_at: float | None = None
    acked_at: float | None = None
    acked_by: str | None = None
    bad_at: float | None = None
    clear_since: float | None = None
    resolved_at: float | None = None
    resolved_by: str | None = None
    withheld: str | None = None
    followed_at: float | None = None
    evaluated_at: float | None = None
    no_data_since: float | None = None
    flaps: int = 0
    text: str = ""
    value: float | None = None
    mendable: bool = True
    evidence: Mapping[str, Any] = field(default_factory=dict)
    worst_at: float | None = None
    worst_text: str = ""
    worst_value: float | None = None
    worst_evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """One incident of each at a time."""
        return self.rule, self.subject

    @property
    def is_active(self) -> bool:
        """Open or acked: it is a fact, and not over."""
        return self.state in (State.OPEN, State.ACKED)

    @property
    def worst(self) -> "Moment":
        """Its worst moment; of one that an older version kept, the newest that was bad."""
        if self.worst_at is None:
            at = self.since if self.bad_at is None else self.bad_at
            return Moment(at, self.text, self.value, self.evidence)
        return Moment(self.worst_at, self.worst_text, self.worst_value, self.worst_evidence)

    @property
    def was_worse(self) -> bool:
        """Whether what was seen last is not the worst of it."""
        return self.worst_at is not None and self.worst_text != self.text

    def is_current(self, now: float) -> bool:
        """Whether its rule's last evaluation had data and was a moment ago: nothing else says that the fault is there
        now, so that nothing else may suppress what follows from it."""
        at = self.bad_at if self.evaluated_at is None else self.evaluated_at
        return self.no_data_since is None and at is not None and now - at <= STALE_AFTER_S

    def lasted_s(self, now: float) -> float:
        """How long it was bad: until the good looks began, else until somebody ended it, else until now."""
        ends = (self.clear_since, self.resolved_at, now)
        return max(0.0, next(end for end in ends if end is not None) - self.since)


@dataclass(frozen=True)
class Transition:
    """One change of one incident.

    Attributes:
        change: what happened.
        incident: as it is afterwards.
        at: when.
        contact: who is to be told.
        withheld: why nobody is; None when they are.
    """

    change: Change
    incident: Incident
    at: float
    contact: str
    withheld: str | None = None
