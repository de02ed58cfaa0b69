"""Runbook, Monthly Checks: versions, API keys, and the alert thresholds by the month's own data."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from market_pipeline.alerts.incident import Change
from market_pipeline.alerts.ledger import Ledger
from market_pipeline.alerts.message import lasted
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.local.checkup import check_key
from market_pipeline.local.java import NoJava
from market_pipeline.local.reach import ask_vendor
from market_pipeline.routine.alert_review import responses, review
from market_pipeline.routine.report import Box, Finding, Report, fill_in
from market_pipeline.routine.versions import RegistryAway, jar_versions, java_version, python_versions
from market_pipeline.settings import Settings
from market_pipeline.supervision.heartbeat import read_heartbeat

MONTH = timedelta(days=31)


def boxes(settings: Settings, now: datetime) -> list[Box]:
    """The monthly checklist, looked at at ``now``."""
    looks: list[tuple[str, str, Callable[[Settings, datetime], Finding]]] = [
        ("versions", "Versions in use, and the newest", versions),
        ("api-key", "The API key", api_key),
        ("alert-thresholds", "What each rule fired on", alert_thresholds),
        ("response-times", "How soon incidents were answered and healed", response_times),
    ]
    return [Box(name, title, partial(look, settings, now)) for name, title, look in looks]


def monthly_report(settings: Settings, now: datetime, tell: Callable[[str], None] = lambda _: None) -> Report:
    """Every box of the monthly checklist."""
    return fill_in(f"Monthly checks, {now:%Y-%m}", boxes(settings, now), now, tell)


def versions(settings: Settings, now: datetime) -> Finding:
    """What could be updated: `make lock` after a change of pyproject.toml, and an entry in the change log."""
    try:
        found = [*java_version(settings), *python_versions(), *jar_versions()]
    except (NoJava, RegistryAway) as error:
        return Finding(None, str(error))
    rows = [
        {"name": each.name, "kind": each.kind, "used": each.used, "newest": each.newest or "not told"}
        for each in sorted(found, key=lambda each: (not each.behind, each.kind, each.name))
    ]
    behind, silent = sum(each.behind for each in found), sum(each.newest is None for each in found)
    text = f"{behind} of {len(found)} have a newer version" + (f", {silent} could not be told" if silent else "")
    return Finding(True, text, rows)


def api_key(settings: Settings, now: datetime) -> Finding:
    """Whether the vendor takes the key; it is tried by one small request, and never shown."""
    checks = list(check_key(settings, ask_vendor))
    beat = read_heartbeat(settings.paths.heartbeat("producer"))
    feed = beat.detail.get("feed") if beat is not None else settings.active_feed
    if not checks and feed != "finnhub":
        return Finding(True, f"the {feed} needs no key")
    if not checks:  # the producer alone has it
        return Finding(None, "the key can not be tried from here: `market-pipeline doctor` does, where .env is")
    (check,) = checks
    fine = {"ok": True, "not checked": None, "warning": None, "failed": False}[check.verdict]
    return Finding(fine, check.found + (f": {check.cure}" if check.cure else ""))


def alert_thresholds(settings: Settings, now: datetime) -> Finding:
    """Each rule's fires of the month, and a longer hold where most of them passed by themselves."""
    if not settings.paths.incidents.exists():
        return Finding(None, "nobody has judged yet: Dagster's sensor `alerts` does")
    ledger = Ledger(settings.paths.incidents)
    since = (now - MONTH).timestamp()
    reviews = list(review(ledger.since(since), ledger.first(Change.ACKED, since), RULES))
    rows = [
        {
            "rule": each.rule,
            "fires": each.fires,
            "nobody told": each.kept_back,
            "passed by themselves": each.passing,
            "median lasted": lasted(each.median_lasted_s) if each.median_lasted_s is not None else "",
            "flaps": each.flaps,
            "hold, s": each.hold_s,
            "proposed": "" if each.proposed_hold_s is None else each.proposed_hold_s,
        }
        for each in reviews
    ]
    proposed = [each.rule for each in reviews if each.proposed_hold_s is not None]
    fires = sum(each.fires for each in reviews)
    text = f"{fires} incidents of {sum(each.fires > 0 for each in reviews)} rules"
    thought = f"; a longer hold is worth a thought: {', '.join(proposed)}" if proposed else ""
    return Finding(not proposed, text + thought, rows)


def response_times(settings: Settings, now: datetime) -> Finding:
    """Medians by severity against the runbook's escalation matrix."""
    if not settings.paths.incidents.exists():
        return Finding(None, "nobody has judged yet: Dagster's sensor `alerts` does")
    ledger = Ledger(settings.paths.incidents)
    since = (now - MONTH).timestamp()
    acked = ledger.first(Change.ACKED, since)
    found = list(responses(ledger.since(since), acked, now.timestamp()))
    rows = [
        {
            "severity": each.severity,
            "incidents": each.incidents,
            "to ack": lasted(each.to_ack_s) if each.to_ack_s is not None else "nobody did",
            "of them in time": each.in_time,
            "nobody in time": each.unanswered,
            "limit": lasted(each.severity.respond_within_s) if each.severity.respond_within_s else "next sprint",
            "to heal": lasted(each.to_heal_s) if each.to_heal_s is not None else "not over",
        }
        for each in found
    ]
    late = [each.severity for each in found if each.late]
    in_time = f"incidents: {sum(each.incidents for each in found)}, none answered late"
    return Finding(not late, f"answered late: {', '.join(late)}" if late else in_time, rows)
