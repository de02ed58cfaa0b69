"""What a stop of the pipeline ends of its incidents, and what the next start inherits."""

from market_pipeline.alerts.incident import Incident
from market_pipeline.alerts.ledger import Ledger
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.local.programs import EVERY_NAME
from market_pipeline.settings import Settings
from market_pipeline.supervision.lock import holder

SHOWN = 10


def end_of_stop(settings: Settings, now: float) -> list[Incident]:
    """End the incidents that only a running pipeline can evaluate; returns those.

    None where a service still holds its lock: another platform keeps it, and that was not stopped.

    Raises:
        sqlite3.Error: the incidents' file can't be used.
    """
    runs = any(holder(settings.paths.lock(name)) is not None for name in EVERY_NAME)
    if runs or not settings.paths.incidents.exists():
        return []
    return Ledger(settings.paths.incidents).stopped(RULES, now)


def inherited(settings: Settings, now: float) -> list[str]:
    """What is still open from before this start, a line for each, and note it in their histories.

    Raises:
        sqlite3.Error: the incidents' file can't be used.
    """
    if not settings.paths.incidents.exists():
        return []
    found = Ledger(settings.paths.incidents).inherited(now)
    lines = [inherited_line(each, now) for each in found[:SHOWN]]
    return [*lines, *([f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else [])]


def inherited_line(incident: Incident, now: float) -> str:
    """Such as ``P2 consumer-lag/stream, open for 3 h, last evaluated 1 h ago: lag 13,273 records``."""
    at = incident.evaluated_at if incident.evaluated_at is not None else incident.bad_at
    evaluated = f", last evaluated {_lasted(now - at)} ago" if at is not None else ""
    open_for = _lasted(now - incident.since)
    return f"{incident.severity} {incident.rule}/{incident.subject}, open for {open_for}{evaluated}: {incident.text}"


def _lasted(seconds: float) -> str:
    whole = max(0, int(seconds))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if whole >= 2 * size:
            return f"{whole // size} {unit}"
    return f"{whole} s"
