"""What is left of an incident that is over: its course, the trades that it touched, its cause, what healed it, and its
times against their targets."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from market_pipeline.alerts.canary import Canaries
from market_pipeline.alerts.incident import Change, Incident
from market_pipeline.alerts.ledger import Entry, Ledger
from market_pipeline.alerts.message import lasted, moment, title
from market_pipeline.alerts.requests import Requests
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.broker.offsets import records_between
from market_pipeline.routine.report import Box, Finding, Report, fill_in
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.store.feed_gaps import stored_gaps


def incident_report(settings: Settings, incident: str, now: datetime) -> Report:
    """The report of an incident, by its id or the beginning of it.

    Raises:
        NoSuchIncident: there is none.
    """
    found, history = Ledger(settings.paths.incidents).show(incident)
    tried = _tried(settings, found)
    looks: list[tuple[str, str, Callable[[], Finding]]] = [
        ("course", "Its course", partial(course, history, tried)),
        ("trades", "Trades of that time", partial(trades, settings, found)),
        ("unheard", "When the feed was not listened to", partial(unheard, settings, found)),
        ("cause", "What was seen", partial(cause, found)),
        ("healed", "What healed it", partial(healed, found, tried)),
        ("times", "Its times against their targets", partial(times, found, history)),
    ]
    name = f"{found.severity} {title(found, RULES.get(found.rule))}: {found.subject}, {moment(found.since)} UTC"
    return fill_in(name, [Box(*each) for each in looks], now)


def course(history: list[Entry], tried: list[tuple[float, str]]) -> Finding:
    """All that became of it, in order, the remedies among it."""
    lines = [(each.at, each.change, each.withheld or each.contact, each.text) for each in history]
    lines += [(at, "remedy", "", text) for at, text in tried]
    rows = [
        {"at (UTC)": moment(at), "what": what, "who": who, "seen": text}
        for at, what, who, text in sorted(lines, key=lambda each: each[0])
    ]
    return Finding(True, f"{len(rows)} entries", rows)


def trades(settings: Settings, found: Incident) -> Finding:
    """How many trades Kafka has of that time: those that it may have touched."""
    begin, end = _span(found)
    span = int(begin * 1000), int(end * 1000)
    canaries = Canaries(settings.paths.incidents).since(*span)
    count = max(0, records_between(settings, settings.topic, *span) - len(canaries))
    return Finding(True, f"{count:,} records on {settings.topic} in {lasted(end - begin)}")


def unheard(settings: Settings, found: Incident) -> Finding:
    """The down-times of the feed within that time: trades of those can't be had."""
    begin, end = (datetime.fromtimestamp(at, UTC) for at in _span(found))
    days = {begin.date() + timedelta(days=n) for n in range((end.date() - begin.date()).days + 1)}
    with connect(settings) as session:
        spans = {(gap.started_at, gap.ended_at, gap.reason) for gap in stored_gaps(session, settings, days)}
    within = sorted((start, until, reason) for start, until, reason in spans if start < end and until > begin)
    rows = [
        {"from (UTC)": f"{start:%H:%M:%S.%f}"[:-3], "seconds": (until - start).total_seconds(), "reason": reason}
        for start, until, reason in within
    ]
    total = sum((until - start).total_seconds() for start, until, _ in within)
    return Finding(not rows, f"{total:.1f} s in {len(rows)} gaps", rows)


def cause(found: Incident) -> Finding:
    """The last bad look, with its evidence."""
    rows = [
        {"evidence": name, "value": value if isinstance(value, str) else json.dumps(value, default=str)}
        for name, value in found.evidence.items()
    ]
    return Finding(True, found.text or "no details", rows)


def healed(found: Incident, tried: list[tuple[float, str]]) -> Finding:
    """Who or what ended it."""
    if found.resolved_at is None:
        return Finding(False, "it is not over")
    by = f"ended by {found.resolved_by}"
    before = [text for at, text in tried if at <= found.resolved_at]
    return Finding(True, f"{by}, after: {before[-1]}" if before else by)


def times(found: Incident, history: list[Entry]) -> Finding:
    """How long until somebody took it on, against the runbook's matrix, and how long it was bad."""
    opened = found.opened_at or found.since
    acked = next((each.at for each in history if each.change == Change.ACKED), None)
    escalated = sum(each.change == Change.ESCALATED for each in history)
    wanted = found.severity.respond_within_s
    answer_s = (acked if acked is not None else found.resolved_at or opened) - opened
    in_time = wanted is None or answer_s <= wanted
    how = "taken on" if acked is not None else "over before anybody took it on,"
    within = f" (wanted within {lasted(wanted)})" if wanted is not None else ""
    text = f"{how} after {lasted(answer_s)}{within}; bad for {lasted(found.lasted_s(found.resolved_at or opened))}"
    return Finding(in_time, text + (f"; escalated {escalated} times" if escalated else ""))


def _span(found: Incident) -> tuple[float, float]:
    """From the first bad look to the first of the good ones, epoch seconds."""
    return found.since, found.since + found.lasted_s(found.resolved_at or found.since)


def _tried(settings: Settings, found: Incident) -> list[tuple[float, str]]:
    by_itself = [(at, f"{remedy}, by itself") for at, remedy in Ledger(settings.paths.incidents).tried(found.id)]
    asked = [(each.at, f"{each.remedy}, {each.by} asked") for each in Requests(settings.paths.incidents).of(found.id)]
    return sorted(by_itself + asked)
