"""Each node's own word for its disk, from a real Cassandra."""

import subprocess

import pytest

from market_pipeline.local.nodetool import nodetool_command
from market_pipeline.settings import LOOPBACK, Settings
from market_pipeline.store.cluster import connect
from market_pipeline.store.disk_usage import DiskUsage, disk_usage_by_node
from market_pipeline_tests.waiting import wait_for

pytestmark = pytest.mark.real_servers


def states(settings: Settings) -> dict[str, DiskUsage | None]:
    with connect(settings) as session:
        return disk_usage_by_node(session)


def test_a_node_without_the_guardrail_says_nothing(servers: Settings) -> None:
    assert states(servers) == {LOOPBACK: None}


@pytest.mark.nightly  # the node measures its disk each half minute
def test_a_node_above_its_threshold_is_stuffed(servers: Settings) -> None:
    def set_thresholds(warn: int, fail: int) -> None:
        guardrails = ("-b", "org.apache.cassandra.db:type=Guardrails", "-mc")
        operation = ("-op", "setDataDiskUsagePercentageThreshold", "-a", str(warn), str(fail))
        command = nodetool_command(servers, ["sjk", "mx", *guardrails, *operation])
        subprocess.run(command, check=True, capture_output=True, timeout=120)

    set_thresholds(1, 99)
    try:
        wait_for(lambda: states(servers)[LOOPBACK] is DiskUsage.STUFFED, "the node to measure its disk", within_s=120)
    finally:
        set_thresholds(-1, -1)
