"""What only the containers use, on real servers: the health probes and Kafka's own tools. Needs no container engine."""

import subprocess

import pytest

from market_pipeline.deploy import health
from market_pipeline.deploy.kafka_tools import tool_command
from market_pipeline.settings import LOOPBACK, Settings

pytestmark = pytest.mark.real_servers

JVM_TIMEOUT_S = 120
SENTENCE = "told by the console producer\n"


def run_tool(settings: Settings, name: str, *arguments: str, given: str | None = None) -> str:
    command = tool_command(settings, name, ["--bootstrap-server", settings.bootstrap_servers, *arguments])
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=JVM_TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_probes_find_real_servers_healthy(servers: Settings) -> None:
    assert health.kafka(servers.bootstrap_servers) == "answers"
    assert health.cassandra(f"{LOOPBACK}:{servers.cql_port}") == "answers"


def test_a_probe_tells_the_wrong_server(servers: Settings) -> None:
    with pytest.raises((health.Unhealthy, OSError)):
        health.cassandra(servers.bootstrap_servers)


@pytest.mark.nightly  # a JVM a command
def test_kafkas_own_tools_run_from_our_jars(servers: Settings) -> None:
    assert servers.topic in run_tool(servers, "kafka-topics", "--list").split()
    run_tool(servers, "kafka-topics", "--create", "--topic", "tools", "--partitions", "1", "--replication-factor", "1")
    run_tool(servers, "kafka-console-producer", "--topic", "tools", given=SENTENCE)
    taken = run_tool(servers, "kafka-console-consumer", "--topic", "tools", "--from-beginning", "--max-messages", "1")
    assert taken == SENTENCE
    assert run_tool(servers, "kafka-get-offsets", "--topic", "tools").split() == ["tools:0:1"]
    run_tool(servers, "kafka-topics", "--delete", "--topic", "tools")


@pytest.mark.nightly
def test_kafkas_quorum_and_groups_can_be_asked(servers: Settings) -> None:
    assert "LeaderId:               1" in run_tool(servers, "kafka-metadata-quorum", "describe", "--status")
    run_tool(servers, "kafka-consumer-groups", "--list")
