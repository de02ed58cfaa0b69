"""Beside the runbook's four: the vendor does not want our key, or is about to refuse it."""

from functools import partial

from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.feed.disconnect import Reason

RECENT_S = 900.0
_SAYS = {
    str(Reason.REFUSED): (Severity.P1, "the vendor refuses the key: put the one of its dashboard into .env"),
    str(Reason.KEY_IN_USE): (Severity.P2, "the key is used elsewhere too: the vendor closes both connections"),
    str(Reason.RATE_LIMITED): (Severity.P3, "the vendor limits us (429): who goes on is refused in the end"),
}

RULE = Rule(
    "key",
    "The vendor does not want our key, or not so often",
    Severity.P1,
    runbook="Monthly Tasks: Check Finnhub API key validity",
    clear_s=300,
)
_signal = partial(Signal, RULE.id, "finnhub")


def judge(look: Look) -> Signal:
    """Why the last connection ended, while no other has been made."""
    feed = look.snapshot.feed
    if look.feed != "finnhub":
        return _signal(Verdict.FINE, f"the {look.feed} needs no key")
    told = feed.last_disconnect or {}
    severity, text = _SAYS.get(str(told.get("reason")), (None, ""))
    if severity is None or (look.now - float(told.get("at", 0.0)) > RECENT_S and feed.connected):
        verdict = Verdict.UNKNOWN if feed.name is None else Verdict.FINE
        return _signal(verdict, "the vendor has not complained of the key")
    return _signal(Verdict.FAULT, text, severity=severity, evidence={"last disconnect": dict(told)})
