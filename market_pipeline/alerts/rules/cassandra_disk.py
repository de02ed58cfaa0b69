"""Runbook 4, "Cassandra Out of Disk": more than 80 % are used. 90 % is an emergency: compaction needs room to write."""

from functools import partial

from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict

FULL, EMERGENCY = 0.80, 0.90
RULE = Rule(
    "cassandra-disk",
    "The disk under Cassandra is more than 80 % full",
    Severity.P2,
    runbook="Common Alerts 4: Cassandra Out of Disk",
    clear_s=300,
)
_signal = partial(Signal, RULE.id, "cassandra")


def judge(look: Look) -> Signal:
    """How full the disk is, whoever fills it; what Cassandra has of it is the evidence."""
    disk = look.disk
    if disk is None:
        return _signal(Verdict.UNKNOWN, "the disk of a Cassandra elsewhere can't be seen from here")
    text = f"{disk.used:.0%} used, {disk.free / 1e9:,.1f} GB free"
    largest = sorted(disk.tables.items(), key=lambda each: each[1], reverse=True)[:5]
    evidence = {
        "tables_mb": {name: round(size / 1e6, 1) for name, size in largest},
        "snapshots_mb": round(disk.snapshots / 1e6, 1),
    }
    verdict = Verdict.FAULT if disk.used > FULL else Verdict.FINE
    severity = Severity.P1 if disk.used > EMERGENCY else None
    return _signal(verdict, text, round(disk.used * 100, 1), severity, evidence)
