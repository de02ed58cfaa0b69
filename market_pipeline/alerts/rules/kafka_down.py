"""Runbook 3, "Kafka Broker Down": Kafka's health check fails."""

from collections.abc import Mapping
from functools import partial

from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict

RULE = Rule(
    "kafka-down",
    "Kafka does not answer, or has partitions without a leader",
    Severity.P1,
    runbook="Common Alerts 3: Kafka Broker Down",
    hold_s=55,  # three looks, half a minute apart
    clear_s=60,
    inhibits=frozenset({"zero-trades", "high-latency", "consumer-lag", "journal-filling", "stream-stalled"}),
    remedy="restart_kafka",
)
_signal = partial(Signal, RULE.id, "kafka")


def _process(look: Look) -> Mapping[str, str]:
    """What its supervisor says of it: whether it hangs or is gone is told apart by that."""
    process = look.snapshot.processes.get("kafka")
    if process is None:
        return {}
    told = {"process": f"{process.state.lower()}, pid {process.pid}, started again {process.restarts} times"}
    return told | ({"last end": process.last_error} if process.last_error else {})


def judge(look: Look) -> Signal:
    """Whether producers and consumers can work."""
    kafka = look.snapshot.kafka
    if not kafka.live:
        return _signal(Verdict.FAULT, f"Kafka does not answer: {kafka.fault}", evidence=_process(look))
    if kafka.fault is not None:
        return _signal(Verdict.FAULT, kafka.fault)
    if look.leaderless is None:
        return _signal(Verdict.UNKNOWN, "Kafka answers, but not which partitions have a leader")
    if look.leaderless:
        return _signal(Verdict.FAULT, f"{look.leaderless} partitions have no leader", look.leaderless)
    return _signal(Verdict.FINE, "Kafka answers, and every partition has a leader", 0)
