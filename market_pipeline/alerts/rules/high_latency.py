"""Runbook 2, "High Latency (>10 seconds)": from being received to being queryable."""

import math
from collections.abc import Sequence
from functools import partial

from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict

LIMIT_S = 10.0
RULE = Rule(
    "high-latency",
    "Trades take more than 10 s from being received to being queryable",
    Severity.P2,
    runbook="Common Alerts 2: High Latency (>10 seconds)",
    hold_s=60,
    clear_s=60,
    remedy="restart_stream",
)
_signal = partial(Signal, RULE.id, "stream")


def judge(look: Look) -> Signal:
    """The 95th percentile of what was written within the last minute; and of what waits, how long it has waited."""
    stream = look.snapshot.stream
    waiting_s = stream.newest_event_age_s if stream.lag else None
    if waiting_s is not None and waiting_s > LIMIT_S:
        return _signal(
            Verdict.FAULT,
            f"{stream.lag:,} trades wait, the newest queryable is {waiting_s:.0f} s old",
            waiting_s,
            evidence=stages(look),
        )
    if look.delays_s is None:
        return _signal(Verdict.UNKNOWN, "Cassandra does not say when the newest trades were written")
    if not look.delays_s:
        if stream.lag is None:
            return _signal(Verdict.UNKNOWN, "nothing was written within a minute, and the stream does not say its lag")
        return _signal(Verdict.FINE, "nothing waits, and nothing came within a minute", 0.0)
    p95_s = percentile(look.delays_s, 0.95)
    verdict = Verdict.FAULT if p95_s > LIMIT_S else Verdict.FINE
    text = f"95 % of the newest trades were queryable within {p95_s:.2f} s"
    return _signal(verdict, text, p95_s, evidence=stages(look))


def stages(look: Look) -> dict[str, str]:
    """Where the time goes: the vendor's part, the journal's, and what Kafka, Spark and Cassandra take together."""
    told = {}
    if look.vendor_delays_s:
        told["event to received"] = f"{percentile(look.vendor_delays_s, 0.95):.2f} s"
    if look.snapshot.feed.journal is not None:
        told["waits for Kafka"] = f"{look.snapshot.feed.journal.get('oldest_unconfirmed_age_s', 0.0):.2f} s"
    if look.delays_s:
        told["received to written"] = f"{percentile(look.delays_s, 0.95):.2f} s"
    if look.snapshot.stream.lag is not None:
        told["lag"] = f"{look.snapshot.stream.lag:,} records"
    return told


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that at least ``part`` of the values do not exceed (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("a percentile of nothing")
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]
