"""The life of a pipeline, through its command line: start, look, hurt, stop, and a second, warm start."""

import contextlib
import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from market_pipeline.alerts.ledger import Ledger
from market_pipeline.alerts.smoke_tests import SmokeTests
from market_pipeline.local import jmx
from market_pipeline.local.ports import all_of, is_free, needed
from market_pipeline.local.programs import names
from market_pipeline.local.remedies import mend
from market_pipeline.local.webserver import daemon_works, serves_page
from market_pipeline.model import CANARY, PROBE
from market_pipeline.remedies.stream_reset import plan, reset
from market_pipeline.routine.daily import daily_report
from market_pipeline.routine.weekly import weekly_report
from market_pipeline.settings import LOOPBACK
from market_pipeline.store.cluster import STORE_ERRORS
from market_pipeline.stream.query import QUERY
from market_pipeline.supervision.lock import holder
from market_pipeline_tests.key_exposure import KEY, assert_only_in, files_with, vendor
from market_pipeline_tests.running import RunningPipeline
from market_pipeline_tests.waiting import wait_for

pytestmark = [pytest.mark.real_servers, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory, free_port_base: Callable[[], int]) -> Iterator[RunningPipeline]:
    """On Finnhub's feed at first, then, from the third test on, on the simulator."""
    found = RunningPipeline(tmp_path_factory.mktemp("life") / "a data dir", free_port_base())
    folder = found.settings.data_dir.parent
    folder.mkdir(parents=True, exist_ok=True)
    found.environment |= {"FINNHUB_API_KEY": KEY, "XDG_STATE_HOME": str(folder / "state")}
    try:
        yield found
    finally:
        found.stop()


def test_an_exported_key_is_seen_by_no_process_and_in_no_file(pipeline: RunningPipeline) -> None:
    copy = pipeline.settings.paths.run / "producer" / ".env"
    url = assert_only_in({copy}, pipeline.settings.data_dir.parent, pipeline)
    assert copy.stat().st_mode & 0o077 == 0
    with vendor(int(url.rpartition(":")[2])):
        wait_for(lambda: pipeline.status()["feed"]["connected"], "the feed to be connected again")
        pids = [each["pid"] for each in pipeline.status()["processes"].values()]
        said = pipeline.run("down", timeout_s=120).stdout
    killed = [line for line in said.splitlines() if "killed" in line and "dagster" not in line]
    assert killed == []
    assert_nothing_left(pipeline, pids)
    assert files_with(KEY, pipeline.settings.data_dir.parent) == set()


def test_a_warm_start_on_another_feed_goes_on(pipeline: RunningPipeline) -> None:
    for name in ("FINNHUB_API_KEY", "MARKET_PIPELINE_PORT_BASE"):  # the data dir knows its ports
        del pipeline.environment[name]
    started_at = datetime.now(UTC).isoformat()
    pipeline.up("--feed", "simulator", "--rate", "40")
    (kept,) = pipeline.rows("SELECT min(received_at) AS first, max(received_at) AS last FROM market_data.trades_silver")
    assert kept["first"] < started_at < kept["last"]


def test_up_returns_when_trades_can_be_queried(pipeline: RunningPipeline) -> None:
    assert json.loads(pipeline.run("query", "SELECT symbol, price FROM market_data.latest_prices", "--json").stdout)


def test_status_tells_of_every_part(pipeline: RunningPipeline) -> None:
    wait_for(lambda: set(pipeline.states().values()) == {"RUNNING"}, "every program to run", within_s=240)

    def told_of_new_trades() -> dict[str, Any] | None:
        told: dict[str, Any] = json.loads(pipeline.run("status", "--json").stdout)
        age_s = told["stream"]["newest_event_age_s"]
        return told if age_s is not None and age_s < 10 else None

    told = wait_for(told_of_new_trades, "new trades to be told")
    assert told is not None
    processes = told["processes"]
    assert set(processes) == set(names(pipeline.settings))
    assert all(each["pid"] and each["restarts"] == 0 and each["uptime_s"] > 0 for each in processes.values())
    assert told["feed"]["connected"] is True
    assert told["feed"]["received"] > 0
    assert told["feed"]["last_received_age_s"] < 5
    assert told["stream"]["newest_event_age_s"] < 10
    assert told["kafka"]["rate"] > 0
    assert told["cassandra"]["live"] is True


def test_dagsters_page_and_daemon_come_after_the_trades(pipeline: RunningPipeline) -> None:
    wait_for(lambda: serves_page(pipeline.settings), "Dagster's page", within_s=240)
    wait_for(lambda: daemon_works(pipeline.settings, 0.0), "Dagster's daemon", within_s=240)


def test_every_port_is_on_loopback_and_within_the_hundred(pipeline: RunningPipeline) -> None:
    settings = pipeline.settings
    listening: dict[tuple[str, int], str] = {}
    for name in names(settings):
        pid = holder(settings.paths.lock(name))
        assert pid, name
        leader = psutil.Process(pid)
        for process in (leader, *leader.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                for each in process.net_connections("inet"):
                    if each.status == psutil.CONN_LISTEN or each.type == socket.SOCK_DGRAM:
                        listening[tuple(each.laddr)] = name
    documented = set(all_of(settings.port_base)) - {settings.ports.dagster_code}
    assert {address for address in listening if address[0] != LOOPBACK or address[1] not in documented} == set()
    assert {port for _, port in listening} >= set(needed(settings).values())  # a batch may run besides


def test_nodetool_logs_in_and_who_has_no_password_does_not(pipeline: RunningPipeline) -> None:
    assert "UN  127.0.0.1" in pipeline.run("nodetool", "status").stdout
    password = jmx.password_file(pipeline.settings)
    aside = password.rename(password.with_suffix(".aside"))
    try:
        refused = pipeline.run("nodetool", "status", check=False)
    finally:
        aside.rename(password)
    assert refused.returncode != 0
    assert "Authentication failed" in refused.stdout + refused.stderr


def test_a_hung_producer_is_an_incident_and_is_restarted_by_a_run(pipeline: RunningPipeline) -> None:
    wait_for(lambda: daemon_works(pipeline.settings, 0.0), "Dagster's daemon", within_s=240)
    stopped_at, before = time.time(), pipeline.pid("producer")
    os.kill(before, signal.SIGSTOP)
    wait_for(
        lambda: (pipeline.status()["processes"]["producer"]["pid"] or before) != before,
        "another producer",
        within_s=180,
    )
    ledger = Ledger(pipeline.settings.paths.incidents)
    (incident,) = [each for each in ledger.since(stopped_at) if each.subject == "producer"]
    assert incident.rule == "program-hung"
    wait_for(lambda: pipeline.status()["feed"]["connected"], "the feed to be connected again")


def test_a_second_up_is_refused_in_one_line(pipeline: RunningPipeline) -> None:
    done = pipeline.run("up", check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: already running on ")
    assert "market-pipeline status" in line


def test_another_pipeline_on_the_same_ports_is_told_who_holds_them(pipeline: RunningPipeline, tmp_path: Path) -> None:
    other = RunningPipeline(tmp_path / "other", pipeline.settings.port_base)
    done = other.run("up", check=False)
    assert done.returncode == 1
    (line,) = (each for each in done.stderr.splitlines() if not each.startswith("warning: "))  # root is warned
    named = re.search(r"port (\d+) \(.+?\) is taken by .+? \(pid (\d+)\) \(and \d+ more\)", line)
    assert named, line
    assert int(named[1]) in all_of(pipeline.settings.port_base)
    ours = [psutil.Process(each["pid"]) for each in pipeline.status()["processes"].values()]
    pids = {process.pid for leader in ours for process in (leader, *leader.children(recursive=True))}
    assert int(named[2]) in pids


def test_a_killed_producer_is_back_and_counted(pipeline: RunningPipeline) -> None:
    restarts = pipeline.status()["processes"]["producer"]["restarts"]
    pipeline.killed_and_back("producer")
    wait_for(lambda: pipeline.status()["feed"]["connected"], "the feed to be connected again")
    producer = pipeline.status()["processes"]["producer"]
    assert producer["restarts"] == restarts + 1
    assert producer["last_error"].startswith("terminated by SIGKILL at ")


def test_a_killed_server_is_back_under_a_new_pid(pipeline: RunningPipeline) -> None:
    pipeline.killed_and_back("kafka")
    wait_for(lambda: pipeline.status()["kafka"]["live"], "Kafka to answer again")


# Cassandra last: a stream that starts anew reads again what was written shortly before
@pytest.mark.parametrize("program", ["stream", "cassandra"])
def test_a_killed_store_or_stream_is_back_and_new_trades_can_be_queried(
    pipeline: RunningPipeline, program: str
) -> None:
    before = pipeline.status()["processes"]["stream"]["pid"]
    pipeline.killed_and_back(program)
    killed_at = time.time()
    asked = pipeline.run("query", "SELECT trade_id FROM market_data.latest_prices", check=False)
    assert "Traceback" not in asked.stderr
    wait_for(lambda: _newest_received(pipeline) > killed_at, "trades received after that to be queryable", within_s=240)
    told = wait_for(lambda: _running_stream(pipeline), "the stream to say that it runs", within_s=120)
    assert told["silent_s"] is None
    # an outage of Cassandra does not end the stream
    assert (pipeline.status()["processes"]["stream"]["pid"] == before) == (program == "cassandra")


def _newest_received(pipeline: RunningPipeline) -> float:
    """When the newest trade that can be queried was received, epoch seconds; 0.0 while nothing can."""
    rows: list[dict[str, Any]] = []
    with contextlib.suppress(*STORE_ERRORS):
        rows = pipeline.rows("SELECT trade_id FROM market_data.latest_prices")
    return max((int(row["trade_id"].partition("-")[0]) / 1e6 for row in rows), default=0.0)


def _running_stream(pipeline: RunningPipeline) -> dict[str, Any]:
    told: dict[str, Any] = pipeline.status()["stream"]
    return told if told["phase"] == "running" else {}


def test_reconcile_beside_the_running_simulator_agrees(pipeline: RunningPipeline) -> None:
    done = pipeline.run("reconcile", "--day", pipeline.day_of_trades(), check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_marked_trade_is_seen_at_every_hop_and_leaves_nothing_behind(pipeline: RunningPipeline) -> None:
    wait_for(lambda: serves_page(pipeline.settings), "Dagster's page", within_s=240)
    hops = json.loads(pipeline.run("smoke-test", "--json").stdout)
    assert {hop["name"]: hop["fine"] for hop in hops} == dict.fromkeys(
        ("feed", "kafka", "silver", "latest price", "bar", "bronze", "removed", "dagster"), True
    )
    assert "8 hops seen" in pipeline.run("smoke-test").stdout  # the one before it hides nothing
    assert SmokeTests(pipeline.settings.paths.incidents).count() == 2
    for table in ("latest_prices", "trades_silver", "ohlcv_1m"):
        found = {row["symbol"] for row in pipeline.rows(f"SELECT symbol FROM market_data.{table}")}
        assert not [symbol for symbol in found if symbol.startswith(PROBE) and symbol != CANARY]
    assert pipeline.reconciled(pipeline.day_of_trades())["clean"]


def test_the_daily_and_the_weekly_report_look_at_every_box(pipeline: RunningPipeline) -> None:
    now = datetime.now(UTC)
    daily = daily_report(pipeline.settings, date.fromisoformat(pipeline.day_of_trades()), now)
    told = {name: found.fine for name, (_, found) in daily.findings.items()}
    assert told["reconciled"] is told["recent-data"] is told["disk-forecast"] is True
    assert told["overnight-alerts"] is not None
    assert "| silver |" in daily.markdown()
    weekly = weekly_report(pipeline.settings, now)
    found = {name: found for name, (_, found) in weekly.findings.items()}
    assert found["smoke-test"].fine is True
    assert found["tombstones"].fine is not False
    assert found["dagster-storage"].text.endswith(f" MB in {pipeline.settings.paths.dagster}; no old run to delete")


def test_restart_gives_a_new_process_and_is_no_failure(pipeline: RunningPipeline) -> None:
    before = pipeline.status()["processes"]["producer"]
    said = pipeline.run("restart", "producer").stdout
    after = pipeline.status()["processes"]["producer"]
    assert said.startswith(f"producer restarted: pid {before['pid']} → {after['pid']}, ready after ")
    assert after["state"] == "RUNNING"
    assert after["pid"] != before["pid"]
    assert after["restarts"] == before["restarts"]


def test_the_producer_is_restarted_with_other_symbols(pipeline: RunningPipeline) -> None:
    def subscribed() -> list[str]:
        names: list[str] = pipeline.status()["feed"]["symbol_names"]
        return names

    before = subscribed()
    list(mend(pipeline.settings, "restart_producer", {"symbols": ["AAPL", "BINANCE:BTCUSDT"]}))
    assert subscribed() == ["AAPL", "BINANCE:BTCUSDT"]
    pipeline.run("restart", "producer")
    assert subscribed() == ["AAPL", "BINANCE:BTCUSDT"]  # until the next `up`
    list(mend(pipeline.settings, "restart_producer", {"symbols": before}))
    assert subscribed() == before


def test_a_stream_that_reads_everything_again_makes_the_same_rows(pipeline: RunningPipeline) -> None:
    count = pipeline.count("trades_silver")
    assert plan(pipeline.settings).records > 0
    done = reset(pipeline.settings)
    assert (done.put_aside / QUERY / "commits").is_dir()

    def caught_up() -> bool:
        lag = pipeline.status()["stream"]["lag"]
        return lag is not None and lag < 200

    wait_for(caught_up, "the stream to catch up", within_s=240)
    assert pipeline.count("trades_silver") >= count
    assert pipeline.reconciled(pipeline.day_of_trades())["clean"]


def test_restart_of_an_unknown_service_lists_the_known_ones(pipeline: RunningPipeline) -> None:
    done = pipeline.run("restart", "spark", check=False)
    assert done.returncode == 1
    assert "there is no service 'spark'; there are " in done.stderr
    assert "producer" in done.stderr


def test_logs_show_each_service(pipeline: RunningPipeline) -> None:
    assert "Kafka Server started" in pipeline.run("logs", "kafka", "-n", "5000").stdout
    assert pipeline.run("logs", "-n", "3").stdout.count("|") > 5


def test_down_ends_what_a_dead_supervisor_and_a_hung_program_left(pipeline: RunningPipeline) -> None:
    told = pipeline.status()
    pids = [each["pid"] for each in told["processes"].values()]
    os.kill(told["supervisor"], signal.SIGKILL)
    wait_for(lambda: pipeline.status()["supervisor"] is None, "the supervisor to be gone")
    # only now: of a group that is orphaned while it is stopped the kernel hangs up, which would end the program
    os.kill(told["processes"]["feed-server"]["pid"], signal.SIGSTOP)
    assert pipeline.status()["processes"]["kafka"]["state"] == "UNSUPERVISED"
    refused = pipeline.run("up", check=False)
    assert "still running on " in refused.stderr
    assert "feed-server did not end by itself and was killed" in pipeline.run("down").stdout.replace(
        f" (pid {told['processes']['feed-server']['pid']})", ""
    )
    assert_nothing_left(pipeline, pids)
    assert pipeline.run("status", check=False).returncode == 3


def assert_nothing_left(pipeline: RunningPipeline, pids: list[int]) -> None:
    def gone(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    assert [pid for pid in pids if not gone(pid)] == []
    settings = pipeline.settings
    assert [name for name in names(settings) if holder(settings.paths.lock(name)) is not None] == []
    assert [port for port in needed(settings).values() if not is_free(port)] == []
    with socket.create_server((LOOPBACK, settings.ports.kafka)):
        pass
