"""Beside the runbook's four: the connection to the feed is down, and trades pass that nobody hears.

The gap is kept in ``feed_gaps`` when it is over; this is for the one that lasts. Its trades are not lost for good
where another listener recorded them: ``fill_gap`` sends those once the gap is over.
"""

from datetime import UTC, datetime
from functools import partial

from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.sessions import is_busy

LASTS_S = 60.0
"""A connection that is made anew at once is no news."""

RULE = Rule(
    "feed-gap",
    "The feed is not listened to while a market is in session",
    Severity.P2,
    runbook="beside Common Alerts: feed gap",
    clear_s=60,
    remedy="restart_producer",
)
_signal = partial(Signal, RULE.id, "feed")


def judge(look: Look) -> Signal:
    """How long the producer has not been listening, by its own word."""
    feed = look.snapshot.feed
    if feed.name is None or feed.silent_s is not None:
        return _signal(Verdict.UNKNOWN, "the producer does not say whether it listens")
    if feed.gap_since is None:
        return _signal(Verdict.FINE, "the feed is listened to", 0.0)
    lasts_s = max(0.0, look.now - feed.gap_since)
    text = f"not listening for {lasts_s:.0f} s ({feed.gap_reason or 'reason not known'})"
    now = datetime.fromtimestamp(look.now, UTC)
    if look.feed != "replay" and lasts_s > LASTS_S and any(is_busy(symbol, now) for symbol in look.symbols):
        return _signal(Verdict.FAULT, text, lasts_s, evidence={"last disconnect": dict(feed.last_disconnect or {})})
    return _signal(Verdict.FINE, text, lasts_s)
