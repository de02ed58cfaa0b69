"""Runbook 2, "High Latency (>10 seconds)": from being received to being queryable."""

import math
from collections.abc import Sequence
from functools import partial

from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.local.snapshot import StreamStatus

LIMIT_S = 10.0
LAST_S = 60.0
RULE = Rule(
    "high-latency",
    "Trades take more than 10 s from being received to being queryable",
    Severity.P2,
    runbook="Common Alerts 2: High Latency (>10 seconds)",
    hold_s=25,  # two looks, half a minute apart
    clear_s=60,
    remedy="restart_stream",
)
_signal = partial(Signal, RULE.id, "stream")


def judge(look: Look) -> Signal:
    """The 95th percentile of what was written within the last minute; and of what waits, how long it has waited."""
    stream = look.snapshot.stream
    waiting_s = None
    if stream.lag:  # of a stream that does not say how old what waits is, the newest trade's age is the least
        known = stream.oldest_waiting_age_s is not None
        waiting_s = stream.oldest_waiting_age_s if known else stream.newest_event_age_s
    if stream.lag is None and look.unread and stream.newest_event_age_s is not None:
        # it starts, hangs or is gone, and what came since then waits: by the offsets up to which all was queryable
        age_s = stream.newest_event_age_s
        if age_s > LIMIT_S:
            text = f"{look.unread:,} records wait, the newest queryable trade is {age_s:.0f} s old"
            return _signal(Verdict.FAULT, f"{text}; {doing(stream)}", age_s, evidence=stages(look))
    if waiting_s is not None and waiting_s > LIMIT_S:
        return _signal(
            Verdict.FAULT,
            waiting(stream, waiting_s),
            waiting_s,
            evidence=stages(look),
        )
    if look.delays_s is None:
        return _signal(Verdict.UNKNOWN, "Cassandra does not say when the newest trades were written")
    overdue_s = max((look.now - each.sent_at for each in look.canaries if each.delay_s is None), default=0.0)
    if overdue_s > LIMIT_S:
        text = f"a canary has been on its way for {overdue_s:.0f} s"
        return _signal(Verdict.FAULT, text, overdue_s, evidence=stages(look))
    delays_s = [*look.delays_s, *canary_delays_s(look)]
    if not delays_s:
        if stream.lag is None:
            return _signal(Verdict.UNKNOWN, "nothing was written within a minute, and the stream does not say its lag")
        return _signal(Verdict.FINE, "nothing waits, and nothing came within a minute", 0.0)
    p95_s = percentile(delays_s, 0.95)
    verdict = Verdict.FAULT if p95_s > LIMIT_S else Verdict.FINE
    what = "the newest trades" if look.delays_s else "the canaries"
    text = f"95 % of {what} were queryable within {p95_s:.2f} s"
    return _signal(verdict, text, p95_s, evidence=stages(look))


def doing(stream: StreamStatus) -> str:
    """What a stream that does not say its lag does, as far as is known."""
    if stream.silent_s is not None:
        return f"the stream has not answered for {stream.silent_s:.0f} s"
    return f"the stream is in phase {stream.phase}" if stream.phase else "the stream does not say what it does"


def waiting(stream: StreamStatus, for_s: float) -> str:
    """How many trades wait, and for how long the oldest does."""
    where = f" of partition {stream.slowest_partition}" if stream.slowest_partition is not None else ""
    return f"{stream.lag:,} trades wait, the oldest{where} for {for_s:.0f} s"


def canary_delays_s(look: Look) -> list[float]:
    """Those of the last minute that are known, seconds."""
    return [each.delay_s for each in look.canaries if each.delay_s is not None and look.now - each.sent_at < LAST_S]


def stages(look: Look) -> dict[str, str]:
    """Where the time goes: the vendor's part, the journal's, and what Kafka, Spark and Cassandra take together."""
    told = {}
    if look.vendor_delays_s:
        told["event to received"] = f"{percentile(look.vendor_delays_s, 0.95):.2f} s"
    if look.snapshot.feed.journal is not None:
        told["waits for Kafka"] = f"{look.snapshot.feed.journal.get('oldest_unconfirmed_age_s', 0.0):.2f} s"
    if look.delays_s:
        told["received to written"] = f"{percentile(look.delays_s, 0.95):.2f} s"
    if canaries := canary_delays_s(look):
        told["canary"] = f"{canaries[-1]:.2f} s"
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
