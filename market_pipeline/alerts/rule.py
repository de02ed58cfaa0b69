"""A rule: what is watched for, how long it must last, and what else it explains."""

from dataclasses import dataclass

from market_pipeline.alerts.cures import RESTART_PROGRAM
from market_pipeline.alerts.severity import Severity


@dataclass(frozen=True)
class Rule:
    """One rule, for as many subjects as its signals name.

    Attributes:
        id: short, in kebab case; also the link to the runbook's line.
        title: what is wrong, as a person would say it.
        severity: unless a signal says otherwise.
        runbook: the runbook's line that it comes from, or what it stands beside.
        hold_s: how long a fault must last before it is an incident.
        clear_s: how long it must be fine before the incident is over: what flaps is one incident.
        inhibits: ids of rules whose incidents follow from this one: they are kept, and nobody is told.
        remedy: the job that mends it; None where only a person can.
        while_stopped: its incidents stay open when the pipeline is stopped: they are about what is stored, not about
            what runs.
        low_is_bad: the lower its figure, the worse.
        heals: the remedy is run by itself, which loses nothing that was received (see ``healing``).
    """

    id: str
    title: str
    severity: Severity
    runbook: str
    hold_s: float = 0.0
    clear_s: float = 60.0
    inhibits: frozenset[str] = frozenset()
    remedy: str | None = None
    heals: bool = False
    while_stopped: bool = False
    low_is_bad: bool = False

    @property
    def is_of_a_service(self) -> bool:
        """Whether each of its subjects is a service, which its remedy restarts."""
        return self.remedy == RESTART_PROGRAM
