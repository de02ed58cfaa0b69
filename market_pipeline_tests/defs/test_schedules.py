"""What the schedules ask for at a given moment."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from market_pipeline.defs.schedules import (
    archive_every_10_minutes,
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
