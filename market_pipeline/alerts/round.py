"""One round of the watch: look, judge, keep, and tell."""

import time
from dataclasses import dataclass, replace

from market_pipeline.alerts.arrivals import with_arrivals
from market_pipeline.alerts.button_key import button_key
from market_pipeline.alerts.canary import Canaries
from market_pipeline.alerts.delivery import Courier, Routing
from market_pipeline.alerts.evidence import secrecy_of, with_evidence
from market_pipeline.alerts.healing import Attempt
from market_pipeline.alerts.history import DELAY, DISK, LAG, History
from market_pipeline.alerts.incident import Transition
from market_pipeline.alerts.ledger import EVERYTHING, PROGRAMS, Ledger
from market_pipeline.alerts.look import Look, Runs
from market_pipeline.alerts.lookout import look, look_at_programs
from market_pipeline.alerts.notices import Notices
from market_pipeline.alerts.outbox import Outbox
from market_pipeline.alerts.program_ends import keep_program_ends
from market_pipeline.alerts.refusals import Refusals
from market_pipeline.alerts.rulebook import RULES, judge, judge_programs
from market_pipeline.alerts.rules.high_latency import canary_delays_s, percentile
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.alerts.slack import Slack
from market_pipeline.alerts.watchdog import report_alive
from market_pipeline.settings import Settings
from market_pipeline.which import where_flags

LAGS_OVER_S, DISK_OVER_S = 600.0, 14 * 86_400.0


@dataclass(frozen=True)
class Told:
    """What a round found: one line in all, a line for each change of an incident, the remedies that are due, and the
    incidents that are over and have no report yet, by their ids."""

    summary: str
    changes: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    over: tuple[str, ...] = ()


def judge_now(settings: Settings, runs: Runs | None = None) -> Told:
    """Look at the pipeline, keep what becomes of the incidents, and bring to Slack what is due.

    Args:
        settings: of the pipeline.
        runs: what Dagster tells of its own work, where somebody asked it.

    Raises:
        sqlite3.Error: the ledger can't be written.
    """
    now = time.time()
    canaries = Canaries(settings.paths.incidents) if settings.canary else None
    found = with_history(look(settings, now, canaries), History(settings.paths.incidents))
    found = replace(found, runs=runs)
    told = _judged(settings, found, judge(found), EVERYTHING)
    if settings.watchdog_url is not None:
        report_alive(settings.watchdog_url.get_secret_value(), told.summary)
    return told


def _judged(settings: Settings, found: Look, signals: list[Signal], kind: str) -> Told:
    ledger = Ledger(settings.paths.incidents)
    keep_program_ends(settings, secrecy_of(settings), found.now)
    signals = list(with_evidence(settings, found, signals))  # before the ledger is held: it reads logs
    transitions = ledger.judge(signals, RULES, kind=kind)
    messenger = courier(settings)
    if messenger is not None:
        messenger.deliver()
    return Told(
        summary(signals),
        tuple(line(each) for each in transitions),
        tuple(ledger.attempts(RULES, time.time())),
        tuple(ledger.unreported(time.time())),
    )


def judge_programs_now(settings: Settings) -> Told:
    """Look at the programs alone, which takes milliseconds and can be done often.

    Raises:
        sqlite3.Error: the ledger can't be written.
    """
    now = time.time()
    found = look_at_programs(settings, now)
    return _judged(settings, found, judge_programs(found), PROGRAMS)


def with_history(found: Look, history: History) -> Look:
    """The look with those before it, and kept for those after it."""
    if found.snapshot.stream.lag is not None:
        history.remember(LAG, found.now, found.snapshot.stream.lag)
    if found.disk is not None:
        history.remember(DISK, found.now, found.disk.used)
    if delays_s := [*(found.delays_s or ()), *canary_delays_s(found)]:
        history.remember(DELAY, found.now, percentile(delays_s, 0.95))
    return replace(
        with_arrivals(found, history),
        lags=history.since(LAG, found.now - LAGS_OVER_S),
        disk_used=history.since(DISK, found.now - DISK_OVER_S),
    )


def courier(settings: Settings) -> Courier | None:
    """Who brings messages to Slack; None where no token and channel are set, so that only the log is told."""
    if settings.slack_token is None or settings.slack_channel is None:
        return None
    slack = Slack(settings.slack_token.get_secret_value(), settings.slack_api_url)
    routing = Routing(settings.slack_channel, settings.slack_urgent_channel)
    secret = button_key(settings.paths.button_key) if settings.slack_app_token is not None else None
    incidents, page = settings.paths.incidents, settings.page_url if settings.dagster else ""
    return Courier(
        Outbox(incidents),
        Notices(incidents),
        Refusals(incidents),
        slack,
        routing,
        RULES,
        where_flags(settings),
        page,
        secret,
    )


def summary(signals: list[Signal]) -> str:
    """What is wrong, and what can't be told; or that all is well."""
    wrong = [f"{each.rule}: {each.text}" for each in signals if each.verdict is Verdict.FAULT]
    unknown = [f"{each.rule} can't be told: {each.text}" for each in signals if each.verdict is Verdict.UNKNOWN]
    return "; ".join([*wrong, *unknown]) or f"all is well: {len(signals)} looks"


def line(transition: Transition) -> str:
    """A change in one line, for a log."""
    incident = transition.incident
    whom = f"kept back, {transition.withheld}" if transition.withheld else f"for {transition.contact}"
    return f"{incident.severity} {incident.id} {transition.change} ({whom}): {incident.text}"
