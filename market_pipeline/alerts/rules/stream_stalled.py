"""Beside the runbook's four: the stream is up and gets nowhere.

It ends itself where it notices that it stalls; this sees what it does not notice, and a start that takes for ever.
"""

from functools import partial

from market_pipeline.alerts.cures import RESTART_PROGRAM
from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict

SILENT_S = 180.0
"""Of batches with records in them: each half minute in real-time mode, and after each batch of a catch-up."""
STARTS_S = 300.0

RULE = Rule(
    "stream-stalled",
    "The stream runs and gets nowhere",
    Severity.P1,
    runbook="beside Common Alerts: stalled, alive but useless",
    hold_s=30,
    clear_s=60,
    inhibits=frozenset({"high-latency", "consumer-lag"}),
    remedy=RESTART_PROGRAM,
    heals=True,
)
_signal = partial(Signal, RULE.id, "stream")


def _wrong(look: Look, bad: bool, text: str, value: float, fine: Verdict) -> Signal:
    ours = look.snapshot.supervisor is not None
    return _signal(Verdict.FAULT if bad else fine, text, value, mendable=ours)


def judge(look: Look) -> Signal:
    """Whether it tells progress, and whether it has come up."""
    stream, process = look.snapshot.stream, look.snapshot.processes.get("stream")
    if process is None or process.pid is None or stream.silent_s is not None or stream.jvm_silent_s is not None:
        return _signal(Verdict.UNKNOWN, "the stream does not run, or hangs: rules of their own")
    if not look.snapshot.kafka.live or not look.snapshot.cassandra.live:
        return _signal(Verdict.UNKNOWN, "the stream can't get on without Kafka and Cassandra")
    uptime_s = process.uptime_s or 0.0
    if stream.phase != "running":
        text = f"the stream was started {uptime_s:.0f} s ago and has not come up"
        return _wrong(look, uptime_s > STARTS_S, text, uptime_s, Verdict.UNKNOWN)
    if stream.lag == 0:
        return _signal(Verdict.FINE, "nothing waits for it", 0.0)
    age_s = uptime_s if stream.last_progress_age_s is None else min(stream.last_progress_age_s, uptime_s)
    text = f"its last progress was {age_s:.0f} s ago, in phase {stream.phase}"
    return _wrong(look, age_s > SILENT_S, text, age_s, Verdict.FINE)
