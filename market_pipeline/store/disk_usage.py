"""How full the disk of each Cassandra node is, as the nodes gossip it.

A node gossips it once its ``cassandra.yaml`` has ``data_disk_usage_percentage_warn_threshold`` (the guardrail of
CASSANDRA-17150); ``system_views.gossip_info`` shows it for every node of the cluster.
"""

from enum import StrEnum

from cassandra.cluster import Session


class DiskUsage(StrEnum):
    """Below the guardrail's warning threshold, above it, above its threshold of failure."""

    SPACIOUS = "SPACIOUS"
    STUFFED = "STUFFED"
    FULL = "FULL"


def disk_usage_by_node(session: Session) -> dict[str, DiskUsage | None]:
    """By a node's address; None for one whose guardrail is off.

    Raises:
        any of ``STORE_ERRORS``: Cassandra is away, or older than 4.1, which has no such table.
    """
    rows = session.execute("SELECT address, disk_usage FROM system_views.gossip_info")
    return {str(row.address): _parsed(row.disk_usage) for row in rows}


def _parsed(value: str | None) -> DiskUsage | None:
    return DiskUsage(value) if value in set(DiskUsage) else None
