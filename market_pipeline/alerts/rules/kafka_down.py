"""Runbook 3, "Kafka Broker Down": Kafka's health check fails."""

from functools import partial

from market_pipeline.alerts.cures import RESTART_PROGRAM
from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.rules.programs import hangs, process_of
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict

RULE = Rule(
    "kafka-down",
    "Kafka does not answer, or has partitions without a leader",
    Severity.P1,
    runbook="Common Alerts 3: Kafka Broker Down",
    hold_s=25,  # two looks, half a minute apart
    clear_s=60,
    inhibits=frozenset(
        {
            *("zero-trades", "trade-rate", "high-latency", "consumer-lag", "journal-filling", "stream-stalled"),
        }
    ),
    remedy=RESTART_PROGRAM,
    heals=True,
)
_signal = partial(Signal, RULE.id, "kafka")


def judge(look: Look) -> Signal:
    """Whether producers and consumers can work."""
    kafka = look.snapshot.kafka
    if not kafka.live:
        text, stuck = f"Kafka does not answer: {kafka.fault}", hangs(look, "kafka")
        return _signal(Verdict.FAULT, text, evidence=process_of(look, "kafka"), mendable=stuck)
    if kafka.fault is not None:
        return _signal(Verdict.FAULT, kafka.fault, mendable=False)
    if look.leaderless is None:
        return _signal(Verdict.UNKNOWN, "Kafka answers, but not which partitions have a leader")
    if look.leaderless:
        return _signal(Verdict.FAULT, f"{look.leaderless} partitions have no leader", look.leaderless, mendable=False)
    return _signal(Verdict.FINE, "Kafka answers, and every partition has a leader", 0)
