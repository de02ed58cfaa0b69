"""What is left of an incident that is over: its course, the trades that it touched, its cause, what healed it, and its
times against their targets."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from market_pipeline.alerts.canary import Canaries
from market_pipeline.alerts.course import Event, course, ends_of
from market_pipeline.alerts.incident import Change, Incident
from market_pipeline.alerts.ledger import Entry, Ledger
from market_pipeline.alerts.message import lasted, moment, title
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.alerts.smoke_tests import SmokeTests
from market_pipeline.broker.offsets import records_between
from market_pipeline.local.programs import EXECUTE_JOB
from market_pipeline.local.supervisor_log import End
from market_pipeline.routine.report import Box, Finding, Report, fill_in
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.store.feed_gaps import stored_gaps

WELL = "it is over, and there is nothing left to do about it"


def incident_report(settings: Settings, incident: str, now: datetime) -> Report:
    """The report of an incident, by its id or the beginning of it.

    Raises:
        NoSuchIncident: there is none.
    """
    found, history = Ledger(settings.paths.incidents).show(incident)
    looks: list[tuple[str, str, Callable[[], Finding]]] = [
        ("course", "Its course", partial(all_of_it, course(settings.paths.incidents, found, history))),
        ("trades", "Trades of that time", partial(trades, settings, found, now.timestamp())),
        ("unheard", "When the feed was not listened to", partial(unheard, settings, found, now.timestamp())),
        ("cause", "What was seen at its worst", partial(cause, found, ends_of(settings.paths.incidents, found))),
        ("healed", "What healed it", partial(healed, found)),
        ("times", "Its times against their targets", partial(times, found, history, now.timestamp())),
    ]
    name = f"{found.severity} {title(found, RULES.get(found.rule))}: {found.subject}, {moment(found.since)} UTC"
    # what it found says nothing of the rest of the pipeline
    return replace(fill_in(name, [Box(*each) for each in looks], now), well=WELL)


def all_of_it(events: list[Event]) -> Finding:
    """All that became of it, in order, the remedies among it."""
    rows = [{"at (UTC)": moment(each.at), "what": each.what, "who": each.who, "seen": each.text} for each in events]
    return Finding(True, f"{len(rows)} entries", rows)


def trades(settings: Settings, found: Incident, now: float) -> Finding:
    """How many trades Kafka has of that time: those that it may have touched."""
    begin, end = _span(found, now)
    span = int(begin * 1000), int(end * 1000)
    incidents = settings.paths.incidents
    probes = len(Canaries(incidents).since(*span)) + SmokeTests(incidents).count(*span)
    count = max(0, records_between(settings, settings.topic, *span) - probes)
    return Finding(True, f"{count:,} records on {settings.topic} in {lasted(end - begin)}")


def unheard(settings: Settings, found: Incident, now: float) -> Finding:
    """The down-times of the feed within that time that nobody filled: trades of those can't be had."""
    begin, end = (datetime.fromtimestamp(at, UTC) for at in _span(found, now))
    days = {begin.date() + timedelta(days=n) for n in range((end.date() - begin.date()).days + 1)}
    with connect(settings) as session:
        gaps = [gap for gap in stored_gaps(session, settings, days) if gap.filled_at is None]
    spans = {(gap.started_at, gap.ended_at, gap.reason) for gap in gaps}
    within = sorted((start, until, reason) for start, until, reason in spans if start < end and until > begin)
    rows = [
        {"from (UTC)": f"{start:%H:%M:%S.%f}"[:-3], "seconds": (until - start).total_seconds(), "reason": reason}
        for start, until, reason in within
    ]
    total = sum((until - start).total_seconds() for start, until, _ in within)
    text = f"{total:.1f} s in {len(rows)} gaps"
    if not rows:
        return Finding(True, text)
    if settings.second_source is None:
        return Finding(True, f"{text}; they stay, for there is no second source (MARKET_PIPELINE_SECOND_SOURCE)", rows)
    return Finding(False, f"{text}; a second source may have them: `{EXECUTE_JOB} fill_gap`", rows)


def cause(found: Incident, ends: Sequence[End]) -> Finding:
    """The worst moment, with its evidence, and the programs that ended meanwhile."""
    rows = [
        {"evidence": name, "value": value if isinstance(value, str) else json.dumps(value, default=str)}
        for name, value in found.worst.evidence.items()
    ]
    rows += [{"evidence": f"{end.program} ended", "value": f"{moment(end.at)} UTC: {end.how}"} for end in ends]
    text = found.worst.text or "no details"
    return Finding(True, f"{text} ({moment(found.worst.at)} UTC)", rows)


def healed(found: Incident) -> Finding:
    """Who or what ended it."""
    if found.resolved_at is None:
        return Finding(False, "it is not over")
    return Finding(True, f"ended by {found.resolved_by}")


def times(found: Incident, history: list[Entry], now: float) -> Finding:
    """How long until somebody took it on, against the runbook's matrix, and how long it was bad; ``now`` in epoch
    seconds."""
    opened = found.opened_at or found.since
    acked = next((each.at for each in history if each.change == Change.ACKED), None)
    escalated = sum(each.change == Change.ESCALATED for each in history)
    wanted = found.severity.respond_within_s
    until = now if found.resolved_at is None else found.resolved_at
    answer_s = (acked if acked is not None else until) - opened
    in_time = wanted is None or answer_s <= wanted
    waits = "over before anybody took it on," if found.resolved_at is not None else "nobody has taken it on"
    how = "taken on" if acked is not None else waits
    within = f" (wanted within {lasted(wanted)})" if wanted is not None else ""
    text = f"{how} after {lasted(answer_s)}{within}; bad for {lasted(found.lasted_s(until))}"
    return Finding(in_time, text + (f"; escalated {escalated} times" if escalated else ""))


def _span(found: Incident, now: float) -> tuple[float, float]:
    """From the first bad look to the first of the good ones, or to ``now``, epoch seconds."""
    return found.since, found.since + found.lasted_s(now if found.resolved_at is None else found.resolved_at)
