"""The runbook's escalation matrix: how soon somebody has to answer, and who."""

from enum import StrEnum

MINUTE_S, HOUR_S = 60.0, 3600.0


class Severity(StrEnum):
    """How bad it is; the smaller the number, the worse."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"

    @property
    def respond_within_s(self) -> float | None:
        """Seconds until somebody has to have acknowledged; None of the backlog, which nobody is woken for."""
        return _RESPOND_WITHIN_S[self]

    @property
    def contacts(self) -> tuple[str, ...]:
        """Who is told, and who is told next each time that the one before did not answer in time."""
        return _CONTACTS[self]

    def contact(self, level: int) -> str:
        """Whom an escalation of this level reaches; beyond the last contact, the last one again."""
        return self.contacts[min(level, len(self.contacts) - 1)]


ON_CALL, TEAM_LEAD, SPRINT_OWNER, BACKLOG = "on-call engineer", "team lead", "sprint owner", "backlog"

_RESPOND_WITHIN_S = {
    Severity.P1: 15 * MINUTE_S,
    Severity.P2: HOUR_S,
    Severity.P3: 4 * HOUR_S,
    Severity.P4: None,
}
_CONTACTS = {
    Severity.P1: (ON_CALL, TEAM_LEAD, SPRINT_OWNER),
    Severity.P2: (TEAM_LEAD, ON_CALL),
    Severity.P3: (SPRINT_OWNER, TEAM_LEAD, ON_CALL),
    Severity.P4: (BACKLOG,),
}
