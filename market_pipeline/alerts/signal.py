"""What a probe found out about one rule and one subject at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from market_pipeline.alerts.severity import Severity


class Verdict(StrEnum):
    """``UNKNOWN`` is an answer of its own: who can't look neither raises an alarm nor gives the all-clear."""

    FAULT = "fault"
    FINE = "fine"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Signal:
    """One look.

    Attributes:
        rule: the id of the rule that it answers.
        subject: what was looked at: a program, a topic, a table, a market.
        verdict: the answer.
        text: the same in words, for a person, one line.
        value: the figure behind it, if there is one, in the rule's unit.
        severity: where it is worse, or less bad, than the rule says.
        evidence: what helps to act: last trade, lag, the end of a log.
        mendable: whether the rule's remedy can be of any use.
    """

    rule: str
    subject: str
    verdict: Verdict
    text: str = ""
    value: float | None = None
    severity: Severity | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    mendable: bool = True
