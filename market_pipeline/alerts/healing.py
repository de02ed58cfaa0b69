"""When a remedy is tried by itself: at once, then with more and more patience, and then no more. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from market_pipeline.alerts.incident import Incident, State
from market_pipeline.alerts.rule import Rule

AFTER_S = (0.0, 180.0, 600.0)
"""Of each try: seconds since the one before, of the first since the incident was opened. Then only people can help."""


@dataclass(frozen=True)
class Attempt:
    """A try of a remedy. ``key`` is the same for the same try, whoever asks for it."""

    incident: str
    number: int
    remedy: str
    subject: str

    @property
    def key(self) -> str:
        return f"{self.incident}#{self.number}"


def due(
    incidents: Iterable[Incident], rules: Mapping[str, Rule], tried: Mapping[str, Sequence[float]], now: float
) -> Iterator[Attempt]:
    """The tries whose time has come.

    Args:
        incidents: those that are not over.
        rules: by id.
        tried: when what was tried for each incident, by its id, epoch seconds.
        now: epoch seconds.
    """
    for incident in incidents:
        rule = rules.get(incident.rule)
        if rule is None or not rule.heals or rule.remedy is None:
            continue
        if not incident.mendable or incident.clear_since is not None:
            continue
        if incident.state is not State.OPEN or incident.opened_at is None:
            continue  # whoever took it on does not want a restart under their hands
        before = tried.get(incident.id, ())
        if len(before) >= len(AFTER_S):
            continue
        since = before[-1] if before else incident.opened_at
        if now - since >= AFTER_S[len(before)]:
            yield Attempt(incident.id, len(before) + 1, rule.remedy, incident.subject)
