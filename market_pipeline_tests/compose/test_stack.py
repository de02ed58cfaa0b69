"""The containers as docs/containers.md describes them: every docker-compose line of the runbook, faults, scaling.

make test-compose
"""

import json
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

from market_pipeline_tests.compose.stack import ROOT, CommandFailed, Stack
from market_pipeline_tests.waiting import wait_for

pytestmark = [pytest.mark.real_servers, pytest.mark.compose, pytest.mark.timeout(2_400)]

SEED = (ROOT / "market_pipeline_tests" / "unit" / "runbook" / "seed.md").read_text(encoding="utf-8")
DOCS = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
QUERYABLE_WITHIN_S = 300
INCIDENT_WITHIN_S = 240
STREAM, CASSANDRA = "market_pipeline.stream.application", "CassandraDaemon"
"""What the command lines of main processes contain."""

INSTEAD = {
    "exec zookeeper zkCli.sh": "exec kafka kafka-metadata-quorum --bootstrap-server localhost:9092 describe --status",
    "restart kafka schema-registry": "restart kafka",
    "exec spark-master spark-submit --executor-memory": "restart stream",
    "restart <service-name>": "restart feed-server",
}
"""Lines that docs/containers.md answers with another one."""


def runbook_lines() -> Iterator[str]:
    """Each docker-compose line of the runbook, continued lines joined."""
    for block in re.findall(r"```bash\n(.*?)```", SEED, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("docker-compose "):
                yield " ".join(line.split()).removeprefix("docker-compose ")


def as_documented(line: str) -> str:
    return next((instead for start, instead in INSTEAD.items() if line.startswith(start)), line)


def newest_received(stack: Stack) -> float:
    """When the newest queryable trade was received, epoch seconds; 0 while Cassandra does not answer."""
    try:
        rows = stack.rows("SELECT received_at FROM market_data.trades_silver PER PARTITION LIMIT 1")
    except CommandFailed:
        return 0.0
    return max((datetime.fromisoformat(row["received_at"]).timestamp() for row in rows), default=0.0)


def wait_for_trades_received_after(stack: Stack, moment: float) -> None:
    wait_for(lambda: newest_received(stack) > moment, "trades received later", within_s=QUERYABLE_WITHIN_S)


def test_trades_reach_cassandra_after_up(stack: Stack) -> None:
    wait_for_trades_received_after(stack, time.time())


@pytest.mark.parametrize("service", ["kafka", "cassandra"])
def test_a_server_maps_its_classes_from_the_archive_of_the_image(stack: Stack, service: str) -> None:
    stack.run("exec", "-T", service, "bash", "-c", "grep -q 'market-pipeline/.*[.]jsa' /proc/$(pgrep -o java)/maps")


@pytest.mark.parametrize("line", sorted(set(runbook_lines())))
def test_each_docker_compose_line_of_the_runbook_works(stack: Stack, line: str) -> None:
    command = as_documented(line)
    if command != line:
        assert command.removeprefix("exec ") in DOCS or f"`{command.split(maxsplit=1)[0]}" in DOCS
    if "old_topic" in command:
        stack.execute(
            "kafka", *shlex.split("kafka-topics --bootstrap-server localhost:9092 --create --topic old_topic")
        )
    arguments = shlex.split(command)
    if arguments[0] == "exec":
        arguments.insert(1, "-T")
    if command == "logs -f":
        follow(stack, arguments)
        return
    given = "SELECT symbol FROM market_data.latest_prices LIMIT 1;\nexit\n" if command.endswith("cqlsh") else None
    done = stack.run(*arguments, given=given)
    assert arguments[0] != "exec" or done.stdout.strip() or "--delete" in command or "compact" in command, done.stderr
    # some of Kafka's tools end with 0 when the broker does not answer
    assert not re.search(r"^Error|TimeoutException", done.stdout + done.stderr, re.MULTILINE), done.stdout
    stack.wait_healthy()


def follow(stack: Stack, arguments: list[str]) -> None:
    """``logs -f`` prints a line and goes on."""
    with subprocess.Popen(stack.command(*arguments), stdout=subprocess.PIPE, env=stack.environment()) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        assert process.poll() is None
        process.terminate()


def test_the_tables_hold_the_symbols_that_are_subscribed(stack: Stack) -> None:
    prices = stack.rows("SELECT symbol, price FROM market_data.latest_prices")
    assert {"AAPL", "BINANCE:BTCUSDT"} <= {row["symbol"] for row in prices}


def queryable_again_after_kill_s(stack: Stack, service: str, process: str) -> float:
    """Kill a service's main process; how long it takes until trades are queryable that were received after its new
    start, in seconds. (The executors of a stream that was killed write on for a moment.)"""
    before = stack.started_at(service)
    stack.kill_main_process(service, process)
    killed_at = time.time()
    wait_for(lambda: stack.started_at(service) > before, f"{service} to be started again")
    wait_for_trades_received_after(stack, time.time())
    return round(time.time() - killed_at, 1)


def test_a_killed_stream_is_started_again_and_trades_flow(
    stack: Stack, record_property: Callable[[str, object], None]
) -> None:
    record_property("queryable_after_s", queryable_again_after_kill_s(stack, "stream", STREAM))


def test_a_killed_cassandra_is_started_again_and_the_stream_goes_on(
    stack: Stack, record_property: Callable[[str, object], None]
) -> None:
    before = stack.started_at("stream")
    record_property("queryable_after_s", queryable_again_after_kill_s(stack, "cassandra", CASSANDRA))
    assert stack.started_at("stream") == before


def test_workers_scale_to_three_and_the_stream_goes_on(
    stack: Stack, record_property: Callable[[str, object], None]
) -> None:
    stack.run("up", "-d", "--scale", "spark-worker=3")
    wait_for(lambda: len(stack.containers()["spark-worker"]) == 3, "three workers")
    stack.wait_healthy()
    said = stack.execute("spark-master", "spark-submit", "--status")
    assert re.search(r"\b3\b.*worker", said, re.IGNORECASE), said
    wait_for_trades_received_after(stack, time.time())
    record_property("queryable_after_s", queryable_again_after_kill_s(stack, "stream", STREAM))


@pytest.mark.parametrize(("service", "rule"), [("stream", "program-down"), ("cassandra", "cassandra-down")])
def test_a_service_that_stays_away_is_an_incident_until_it_is_back(
    stack: Stack, service: str, rule: str, record_property: Callable[[str, object], None]
) -> None:
    killed_at = time.time()
    stack.run("kill", service)  # which the engine takes for a wish to stop: it starts nothing again
    wait_for(lambda: rule in open_incidents(stack), f"an incident of {rule}", within_s=INCIDENT_WITHIN_S)
    record_property("incident_after_s", round(time.time() - killed_at, 1))
    stack.run("start", service)
    wait_for_trades_received_after(stack, time.time())
    wait_for(lambda: rule not in open_incidents(stack), f"the end of {rule}", within_s=INCIDENT_WITHIN_S)


def open_incidents(stack: Stack) -> set[str]:
    """The rules of which an incident is open."""
    said = stack.execute("code-location", "market-pipeline", "incidents", "list", "--json")
    return {incident["rule"] for incident in json.loads(said)}


def test_nothing_was_lost_through_all_of_it(stack: Stack) -> None:
    stack.run("restart", "kafka")
    wait_for_trades_received_after(stack, time.time())
    stack.run("stop", "producer")
    report = wait_for(lambda: reconciled(stack), "the stream to be through", within_s=QUERYABLE_WITHIN_S)
    assert report["lost"] == 0, report
    assert report["doubled"] == 0, report


def reconciled(stack: Stack) -> dict[str, int] | None:
    """What `reconcile` finds, once it has nothing to object to."""
    done = stack.run("exec", "-T", "code-location", "market-pipeline", "reconcile", "--json", check=False)
    found: dict[str, int] = json.loads(done.stdout) if done.returncode == 0 else {}
    return found or None
