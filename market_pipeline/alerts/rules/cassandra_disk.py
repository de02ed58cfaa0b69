"""Runbook 4, "Cassandra Out of Disk": more than 80 % are used. 90 % is an emergency: compaction needs room to write."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from statistics import linear_regression

from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.store.disk_usage import DiskUsage
from market_pipeline.supervision.disk import Disk

FULL, EMERGENCY = 0.80, 0.90
DAY_S = 86_400.0
GUARDRAIL = "data_disk_usage_percentage_warn_threshold: 80"
UNREADABLE = (
    "no data on Cassandra's disk: mount its data directory here and name it in MARKET_PIPELINE_CASSANDRA_DATA_DIR, "
    f"or set {GUARDRAIL} in each node's cassandra.yaml"
)
RULE = Rule(
    "cassandra-disk",
    "The disk under Cassandra is more than 80 % full",
    Severity.P2,
    runbook="Common Alerts 4: Cassandra Out of Disk",
    clear_s=300,
    while_stopped=True,
)
_signal = partial(Signal, RULE.id, "cassandra")


def judge(look: Look) -> Signal:
    """The disk where it can be read here, else each node's own word for its disk."""
    if look.disk is not None:
        return _of_disk(look, look.disk)
    if look.disk_usage:
        return _of_nodes(look.disk_usage)
    return _signal(Verdict.UNKNOWN, UNREADABLE)


def _of_nodes(usage: Mapping[str, DiskUsage | None]) -> Signal:
    """All nodes by their guardrails: a node that is over its threshold of failure refuses writes.

    One signal for the cluster, so that a node that leaves it leaves no incident behind.
    """
    full, stuffed = _in(usage, DiskUsage.FULL), _in(usage, DiskUsage.STUFFED)
    if full or stuffed:
        texts = [f"above its guardrail's failure threshold and refuses writes: {', '.join(full)}"] if full else []
        texts += [f"above its guardrail's warning threshold: {', '.join(stuffed)}"] if stuffed else []
        return _signal(Verdict.FAULT, "; ".join(texts), severity=Severity.P1 if full else None)
    if silent := _in(usage, None):
        return _signal(Verdict.UNKNOWN, f"set {GUARDRAIL} on what does not gossip its disk usage: {', '.join(silent)}")
    return _signal(Verdict.FINE, f"each node is below its guardrail's warning threshold (of {len(usage)})")


def _in(usage: Mapping[str, DiskUsage | None], state: DiskUsage | None) -> list[str]:
    return sorted(node for node, found in usage.items() if found is state)


def _of_disk(look: Look, disk: Disk) -> Signal:
    """How full it is, whoever fills it; what Cassandra has of it is the evidence."""
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
