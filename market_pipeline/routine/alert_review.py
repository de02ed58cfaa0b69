"""What a month of incidents says of the rules and of those who answer: how often each fired, for how long, how often
nothing was done about it, and how soon people took it on. Pure."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from market_pipeline.alerts.incident import Incident
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity

ENOUGH = 3
"""Fires of a rule before its hold is worth a proposal."""
MOSTLY = 0.5


@dataclass(frozen=True)
class RuleReview:
    """One rule over the time.

    Attributes:
        rule: its id.
        fires: incidents.
        kept_back: of these, those that nobody was told of.
        passing: those that ended by themselves before anybody took them on, and sooner than somebody had to.
        median_lasted_s: of those that are over.
        flaps: how often one seemed over and was not.
        hold_s: as it is.
        proposed_hold_s: longer, where most fires passed by themselves; None where it is right.
    """

    rule: str
    fires: int
    kept_back: int
    passing: int
    median_lasted_s: float | None
    flaps: int
    hold_s: float
    proposed_hold_s: float | None


@dataclass(frozen=True)
class Response:
    """How soon incidents of a severity were answered and healed, medians in seconds; None where none was.

    ``in_time`` were answered as soon as they had to be, ``unanswered`` were bad for longer and nobody took them on.
    """

    severity: Severity
    incidents: int
    to_ack_s: float | None
    to_heal_s: float | None
    in_time: int = 0
    unanswered: int = 0

    @property
    def late(self) -> bool:
        """Whether one was left alone for longer than the escalation matrix wants, or half of the answers came later."""
        limit = self.severity.respond_within_s
        slow = limit is not None and self.to_ack_s is not None and self.to_ack_s > limit
        return slow or self.unanswered > 0


def review(
    incidents: Sequence[Incident], acked: Mapping[str, float], rules: Mapping[str, Rule]
) -> Iterator[RuleReview]:
    """Each rule, the one that fired most first.

    Args:
        incidents: those that were opened within the time.
        acked: when somebody took them on first, by id, epoch seconds.
        rules: by id.
    """
    by_rule: dict[str, list[Incident]] = {name: [] for name in rules}
    for incident in incidents:
        by_rule.setdefault(incident.rule, []).append(incident)
    for name, fires in sorted(by_rule.items(), key=lambda each: (-len(each[1]), each[0])):
        lasted = [each.lasted_s(each.resolved_at) for each in fires if each.resolved_at is not None]
        passing = [each for each in fires if _passed(each, acked)]
        hold_s = rules[name].hold_s if name in rules else 0.0
        yield RuleReview(
            name, len(fires), sum(each.withheld is not None for each in fires), len(passing),
            median(lasted) if lasted else None, sum(each.flaps for each in fires), hold_s,
            _proposed(passing, len(fires), hold_s),
        )  # fmt: skip


def responses(incidents: Iterable[Incident], acked: Mapping[str, float], now: float) -> Iterator[Response]:
    """Each severity that had an incident somebody was told of, the worst first."""
    told = [each for each in incidents if each.withheld is None]
    for severity in Severity:
        mine = [each for each in told if each.severity is severity]
        if not mine:
            continue
        to_ack = [acked[each.id] - each.opened_at for each in mine if each.id in acked and each.opened_at is not None]
        to_heal = [each.lasted_s(each.resolved_at) for each in mine if each.resolved_at is not None]
        limit = severity.respond_within_s
        yield Response(
            severity, len(mine), median(to_ack) if to_ack else None, median(to_heal) if to_heal else None,
            sum(limit is None or seconds <= limit for seconds in to_ack),
            sum(limit is not None and each.id not in acked and each.lasted_s(now) > limit for each in mine),
        )  # fmt: skip


def _passed(incident: Incident, acked: Mapping[str, float]) -> bool:
    limit = incident.severity.respond_within_s
    if incident.resolved_at is None or incident.resolved_by != "itself" or incident.id in acked or limit is None:
        return False
    return incident.resolved_at - incident.since < limit


def _proposed(passing: Sequence[Incident], fires: int, hold_s: float) -> float | None:
    """A hold that nine in ten of those that passed would not have outlasted."""
    if fires < ENOUGH or len(passing) <= MOSTLY * fires:
        return None
    # until it was fine again, and not until that was sure
    lasted = sorted(each.lasted_s(each.since) for each in passing)
    proposed = float(-(-lasted[math.ceil(0.9 * len(lasted)) - 1] // 10) * 10)
    return proposed if proposed > hold_s else None
