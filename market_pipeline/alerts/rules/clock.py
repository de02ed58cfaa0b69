"""Beside the runbook's four: this machine's clock is off, which is taken for latency, and for trades of the future."""

from functools import partial

from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict

RULE = Rule(
    "clock",
    "This machine's clock is behind the feed's",
    Severity.P2,
    runbook="beside Common Alerts: clock offset",
    hold_s=30,
    clear_s=120,
)
_signal = partial(Signal, RULE.id, "clock")


def judge(look: Look) -> Signal:
    """Whether what comes bears times of our future."""
    slow = look.snapshot.feed.clock_is_slow
    if slow is None:
        return _signal(Verdict.UNKNOWN, "the producer does not say what times its trades bear")
    if slow:
        return _signal(Verdict.FAULT, "trades come from the future of this clock, and are refused: set it by NTP")
    return _signal(Verdict.FINE, "no trade comes from the future")
