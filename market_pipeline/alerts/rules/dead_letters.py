"""Beside the runbook's four: records that are no trades come in bursts, so that somebody's format has changed."""

from functools import partial

from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.local.programs import EXECUTE_JOB

AT_LEAST = 20
"""Within ten minutes: a few odd records are what a dead letter topic is for."""
PART, MUCH = 0.01, 0.10
AGAIN = f"{EXECUTE_JOB} replay_dead_letters sends again what is a trade then (a dry run unless its config says really)"

RULE = Rule(
    "dead-letters",
    "More than 1 % of what comes is no trade",
    Severity.P3,
    runbook="beside Common Alerts: dead letters burst",
    clear_s=600,
)
_signal = partial(Signal, RULE.id, "trades_dlq")


def judge(look: Look) -> Signal:
    """Dead letters of the last ten minutes, against all that came."""
    letters = look.dead_letters
    if letters is None or look.arrivals is None:
        return _signal(Verdict.UNKNOWN, "Kafka does not say how many dead letters there are")
    # a frame that the producer could not take apart never was a record of trades_raw
    part = letters.count / max(1, look.arrivals, letters.count)
    text = f"{letters.count:,} dead letters within 10 minutes, {part:.1%} of what came"
    if letters.count < AT_LEAST or part <= PART:
        return _signal(Verdict.FINE, text, letters.count)
    severity = Severity.P2 if part > MUCH else None
    read = sum(letters.reasons.values())
    which = "reasons" if read >= letters.count else f"reasons of the newest {read:,}"
    return _signal(Verdict.FAULT, text, letters.count, severity, {which: dict(letters.reasons), "after a fix": AGAIN})
