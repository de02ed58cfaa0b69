"""Each node's own word for its disk, from a real Cassandra."""

import subprocess

import pytest

from market_pipeline.local.nodetool import nodetool_command
from market_pipeline.settings import LOOPBACK, Settings
from market_pipeline.store.cluster import connect
from market_pipeline.store.disk_usage import DiskUsage, disk_usage_by_node
from market_pipeline.supervision.disk import bytes_below
from market_pipeline_tests.waiting import wait_for

pytestmark = pytest.mark.real_servers


def state(settings: Settings) -> DiskUsage | None:
    with connect(settings) as session:
        return disk_usage_by_node(session)[LOOPBACK]


def test_a_node_without_the_guardrail_gossips_nothing(servers: Settings) -> None:
    assert state(servers) is None


@pytest.mark.nightly  # the node measures its disk each half minute
def test_a_node_whose_data_is_above_the_threshold_is_stuffed(servers: Settings) -> None:
    def guardrails(*arguments: str) -> None:
        command = nodetool_command(servers, ["sjk", "mx", "-b", "org.apache.cassandra.db:type=Guardrails", *arguments])
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
        failed = "Usage" in done.stdout or "Exception" in done.stdout + done.stderr  # it ends with 0 all the same
        assert not failed, done.stdout + done.stderr

    def thresholds(warning: int, failure: int) -> None:
        operation = "setDataDiskUsagePercentageThreshold"
        guardrails("-mc", "-op", operation, "-a", str(warning), str(failure))

    def disk_size(size: str) -> None:
        guardrails("-ms", "-f", "DataDiskUsageMaxDiskSize", "-v", size)

    # a disk four times as large as the data is a quarter full
    size_mib = max(1, 4 * bytes_below(servers.paths.cassandra / "data") // 2**20)
    disk_size(f"{size_mib}MiB")
    thresholds(1, 99)
    try:
        wait_for(lambda: state(servers) is DiskUsage.STUFFED, "the node to measure its disk", within_s=180)
    finally:
        thresholds(99, 100)
        disk_size("10GiB")
    wait_for(lambda: state(servers) is DiskUsage.SPACIOUS, "the node to measure it again", within_s=180)
