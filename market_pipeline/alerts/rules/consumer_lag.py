"""Beside the runbook's four: the stream falls behind. Judged over a window: a lag that shrinks is a catch-up, however
large, and one that grows is a fault long before any threshold."""

from functools import partial
from statistics import median

from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict

WINDOW_S = 600.0
SAMPLES = 9
"""Fewer looks tell nothing of a trend."""
WORTH_TELLING = 1_000
"""Records: below this the stream's own commits make the figure jump."""

RULE = Rule(
    "consumer-lag",
    "The stream falls behind: its lag grows",
    Severity.P2,
    runbook="Daily Health Checks: Check Kafka consumer lag",
    hold_s=60,
    clear_s=120,
    inhibits=frozenset({"high-latency"}),
    remedy="restart_stream",
)
_signal = partial(Signal, RULE.id, "stream")


def judge(look: Look) -> Signal:
    """Whether the lag of the last ten minutes grows from third to third."""
    if look.snapshot.stream.lag is None:
        return _signal(Verdict.UNKNOWN, "the stream does not say its lag")
    lags = [lag for at, lag in look.lags if at > look.now - WINDOW_S]
    if len(lags) < SAMPLES:
        return _signal(Verdict.UNKNOWN, f"{len(lags)} looks within 10 minutes tell no trend")
    first, middle, last = thirds(lags)
    # the window still rises for a while after a short outage that has been caught up
    rising = first < middle < last and min(last, lags[-1]) > WORTH_TELLING
    text = f"lag {last:,.0f} records, {first:,.0f} ten minutes ago"
    evidence = {"lag by third of the window": [first, middle, last]}
    return _signal(Verdict.FAULT if rising else Verdict.FINE, text, last, evidence=evidence)


def thirds(values: list[float]) -> tuple[float, float, float]:
    """The median of each third: one look that is off moves none."""
    cut = len(values) // 3
    return median(values[:cut]), median(values[cut:-cut]), median(values[-cut:])
