"""Beside the runbook's four: the journal, which bridges every outage of Kafka, nears its own end."""

from functools import partial

from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict

FULL = 0.80
WAITS_S = 300.0

RULE = Rule(
    "journal-filling",
    "What was received waits in the journal and does not reach Kafka",
    Severity.P2,
    runbook="beside Common Alerts: journal filling",
    hold_s=30,
    clear_s=60,
)
_signal = partial(Signal, RULE.id, "journal")


def judge(look: Look) -> Signal:
    """How old the oldest frame is that Kafka has not confirmed, and how much room there is for more."""
    feed = look.snapshot.feed
    if feed.journal_error is not None:
        text = f"nothing is received: the journal can't be written ({feed.journal_error})"
        return _signal(Verdict.FAULT, text, severity=Severity.P1)
    if feed.journal is None:
        return _signal(Verdict.UNKNOWN, "the producer does not say how full the journal is")
    waiting, size = feed.journal.get("unconfirmed_frames", 0), feed.journal.get("bytes", 0)
    oldest_s = feed.journal.get("oldest_unconfirmed_age_s", 0.0)
    text = f"{size / 1e6:,.0f} MB, frames that wait for Kafka: {waiting:,}, the oldest for {oldest_s:.0f} s"
    full = look.journal_limit is not None and size > FULL * look.journal_limit
    # confirmed segments are deleted when room is needed: a full journal is a fault only while much of it waits
    if waiting and (oldest_s > WAITS_S or full):
        return _signal(Verdict.FAULT, text, oldest_s, Severity.P1 if full else None)
    return _signal(Verdict.FINE, text, oldest_s)
