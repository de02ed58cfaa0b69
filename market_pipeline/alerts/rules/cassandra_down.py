"""Beside the runbook's four: Cassandra does not answer. Trades wait in Kafka meanwhile, and nobody sees a new one."""

from functools import partial

from market_pipeline.alerts.cures import RESTART_PROGRAM
from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.rules.programs import hangs, process_of
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict

RULE = Rule(
    "cassandra-down",
    "Cassandra does not answer",
    Severity.P1,
    runbook="beside Common Alerts: Cassandra down",
    hold_s=25,  # two looks, half a minute apart
    clear_s=60,
    inhibits=frozenset({"high-latency", "consumer-lag", "stream-stalled"}),
    remedy=RESTART_PROGRAM,
    heals=True,
)
_signal = partial(Signal, RULE.id, "cassandra")


def judge(look: Look) -> Signal:
    """Whether anything can be written and read."""
    if not look.snapshot.cassandra.live:
        stuck, evidence = hangs(look, "cassandra"), process_of(look, "cassandra")
        return _signal(Verdict.FAULT, "Cassandra does not answer", evidence=evidence, mendable=stuck)
    return _signal(Verdict.FINE, "Cassandra answers")
