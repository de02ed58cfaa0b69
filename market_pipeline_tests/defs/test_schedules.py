"""What the schedules ask for at a given moment."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from market_pipeline.bronze import archive
from market_pipeline.bronze.archive import ArchiveResult
from market_pipeline.bronze.compaction import SETTLED, CompactionResult
from market_pipeline.cli import main
from market_pipeline.defs.resources import PipelineResource
from market_pipeline.defs.schedules import (
    archive_every_10_minutes,
    compact_bronze,
    daily_checks_after_midnight,
    daily_gold_after_midnight,
)


@pytest.mark.parametrize(
    ("schedule", "at", "run_key", "partition"),
    [
        (archive_every_10_minutes, "2025-11-10T23:50", "2025-11-10T23:50", "2025-11-10"),
        (archive_every_10_minutes, "2025-11-11T00:00", "2025-11-11T00:00", "2025-11-11"),
        (daily_checks_after_midnight, "2025-11-11T00:20", "2025-11-10", "2025-11-10"),
        (daily_gold_after_midnight, "2024-03-01T00:40", "2024-02-29", "2024-02-29"),
    ],
)
def test_each_tick_asks_for_one_day(
    schedule: dg.ScheduleDefinition, at: str, run_key: str, partition: str
) -> None:  # fmt: skip
    context = dg.build_schedule_context(scheduled_execution_time=datetime.fromisoformat(at).replace(tzinfo=UTC))
    request = schedule(context)
    assert isinstance(request, dg.RunRequest)
    found = request.partition_key or request.tags["dagster/partition"]
    assert (request.run_key, found) == (run_key, partition)


def test_the_schedule_and_the_command_leave_the_same_hours_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[datetime] = []

    def compact(_: object, before: datetime) -> CompactionResult:
        asked.append(before)
        return CompactionResult()

    monkeypatch.setattr(archive, "compact", compact)
    monkeypatch.setattr(archive, "archive_new", lambda _: ArchiveResult())
    compact_bronze.execute_in_process(resources={"pipeline": PipelineResource.at(tmp_path)})
    monkeypatch.setenv("MARKET_PIPELINE_DATA_DIR", str(tmp_path))
    CliRunner().invoke(main, ["archive", "--compact"], catch_exceptions=False)
    now = datetime.now(UTC)
    assert [round((now - before) / SETTLED, 1) for before in asked] == [1.0, 1.0]
