"""Beside the runbook's four: the vendor is late. It is no fault of ours, and restarting anything mends nothing."""

from functools import partial

from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.rules.high_latency import percentile
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict

LIMIT_S = 60.0

RULE = Rule(
    "vendor-delay",
    "The vendor's trades are more than a minute old when they come",
    Severity.P3,
    runbook="beside Common Alerts: the vendor's own delay",
    hold_s=120,
    clear_s=120,
)
_signal = partial(Signal, RULE.id, "vendor")


def judge(look: Look) -> Signal:
    """The median from event to receipt of each symbol's newest trade: one symbol that trades seldom is no delay."""
    if look.feed == "replay":
        return _signal(Verdict.FINE, "a replay's trades are as old as its recording")
    if look.vendor_delays_s is None:
        return _signal(Verdict.UNKNOWN, "Cassandra does not say how old the newest trades were")
    if not look.vendor_delays_s:
        return _signal(Verdict.FINE, "nothing came within a minute")
    half_s = percentile(look.vendor_delays_s, 0.5)
    verdict = Verdict.FAULT if half_s > LIMIT_S else Verdict.FINE
    return _signal(verdict, f"half of the symbols' newest trades were older than {half_s:.1f} s on receipt", half_s)
