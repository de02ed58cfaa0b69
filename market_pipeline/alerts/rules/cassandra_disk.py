"""Runbook 4, "Cassandra Out of Disk": more than 80 % are used. 90 % is an emergency: compaction needs room to write."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from statistics import linear_regression

from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict

FULL, EMERGENCY = 0.80, 0.90
DAY_S = 86_400.0
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
    evidence: dict[str, object] = {
        "tables_mb": {name: round(size / 1e6, 1) for name, size in largest},
        "snapshots_mb": round(disk.snapshots / 1e6, 1),
    }
    full_at = full_by(look.disk_used)
    if full_at is not None:
        evidence["full by"] = f"{datetime.fromtimestamp(full_at, UTC):%Y-%m-%d}, at the pace of the last days"
    verdict = Verdict.FAULT if disk.used > FULL else Verdict.FINE
    severity = Severity.P1 if disk.used > EMERGENCY else None
    return _signal(verdict, text, round(disk.used * 100, 1), severity, evidence)


def full_by(used: Sequence[tuple[float, float]]) -> float | None:
    """When the disk is full, epoch seconds, if it goes on as it did: a straight line through (epoch seconds, 0 to 1).

    None where less than a day is known, where it does not fill, or not within ten years.
    """
    if len(used) < 2 or used[-1][0] - used[0][0] < DAY_S:
        return None
    slope, intercept = linear_regression([at for at, _ in used], [part for _, part in used])
    left_s = (1.0 - (slope * used[-1][0] + intercept)) / slope if slope > 0 else float("inf")
    return used[-1][0] + max(0.0, left_s) if left_s < 3_650 * DAY_S else None
