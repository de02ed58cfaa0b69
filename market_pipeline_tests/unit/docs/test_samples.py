"""What the README shows of a screen is what the program prints."""

import io
from pathlib import Path

from market_pipeline.cli.start_display import what_next
from market_pipeline.cli.status import screen
from market_pipeline.cli.terminal import SafeConsole
from market_pipeline.local.processes import ProcessStatus
from market_pipeline.local.snapshot import FeedStatus, Snapshot, StreamStatus
from market_pipeline.settings import Settings
from market_pipeline.supervision.servers import CassandraStatus, KafkaStatus
from market_pipeline.webserver import access_token
from market_pipeline_tests.documented import ROOT

PROCESSES = {
    "cassandra": (27306, 140.0, 694.0),
    "dagster-code-server": (28234, 107.0, 223.0),
    "dagster-daemon": (28236, 107.0, 137.0),
    "dagster-webserver": (28235, 107.0, 169.0),
    "feed-server": (27886, 132.0, 43.0),
    "kafka": (27305, 140.0, 243.0),
    "producer": (27887, 132.0, 201.0),
    "stream": (27307, 140.0, 830.0),
}


def sample(command: str) -> list[str]:
    """The lines of the README's sample of a command, without the command."""
    _, _, rest = (ROOT / "README.md").read_text(encoding="utf-8").partition(f"$ {command}\n")
    return rest.partition("\n```")[0].splitlines()


def test_the_screen_of_status() -> None:
    writer = {
        "trades": 6_507, "batches": 5_811, "largest_batch": 24, "acknowledged_p50_us": 900,
        "acknowledged_p99_us": 9_800, "bar_writes": 4_120, "bar_loads": 24,
    }  # fmt: skip
    snapshot = Snapshot(
        at=0.0,
        data_dir="~/.local/share/market-pipeline",
        supervisor=1,
        processes={
            name: ProcessStatus(pid, "RUNNING", uptime_s, 0, None, rss_mb, None)
            for name, (pid, uptime_s, rss_mb) in PROCESSES.items()
        },
        feed=FeedStatus(
            *("simulator", True, 8, 8), received=6_548, last_received_age_s=0.28, last_trade_age_s=0.28,
            journal={"bytes": 3_500_000, "unconfirmed_frames": 1},
        ),
        kafka=KafkaStatus(True, {0: 0, 1: 0}, {0: 61_312, 1: 141_064}, 50.4),
        stream=StreamStatus(*("real-time", "running", 0, 0.17, 50.3, 0.9), writer=writer, master="local[3,4]"),
        cassandra=CassandraStatus(True, "5.0.9", 40.0),
        dagster_page=True,
    )  # fmt: skip
    console = SafeConsole(width=90, file=io.StringIO(), record=True)
    console.print(screen(snapshot, Settings.load()))
    shown = [line.rstrip() for line in console.export_text().splitlines()]
    assert sample("market-pipeline status")[1:] == shown[1:]  # the first has the time


def test_the_addresses_of_up(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path)
    token = access_token.renew(settings.dagster_token_path)
    console = SafeConsole(width=90, file=io.StringIO(), record=True)
    what_next(settings, console, detached=False)
    shown = [line.rstrip() for line in console.export_text().replace(token, "…").splitlines() if line]
    addresses = [line for line in sample("make run") if line.startswith(("  Dagster ", "  Kafka ", "  Cassandra "))]
    assert addresses == shown[:3]
