"""Partitions begin with the first day of data, and any day can be materialised from a shell."""

import json
import time
from datetime import UTC, date, datetime
from pathlib import Path

import click
import dagster as dg
import pytest
from dagster._cli import create_dagster_cli

from market_pipeline.defs.partitions import FIRST_PARTITION, asked_for, partitions_begin
from market_pipeline.defs.schedules import daily_checks_after_midnight, daily_gold_after_midnight
from market_pipeline.settings import Settings, SettingsError

TODAY = date(2026, 11, 29)


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MARKET_PIPELINE_DATA_DIR", str(tmp_path))
    return tmp_path


def test_a_pipeline_without_trades_begins_today() -> None:
    assert partitions_begin(TODAY) == TODAY


def test_the_archive_tells_the_first_day(data_dir: Path) -> None:
    for name in ("date=2026-11-01", "date=2019-12-05", "date=nonsense", "staged"):
        (data_dir / "bronze" / name).mkdir(parents=True)
    assert partitions_begin(TODAY) == date(2019, 12, 5)


@pytest.mark.parametrize(
    ("service", "detail", "begins"),
    [
        ("producer", {"first_trade_ts": 1_575_526_691_000, "last_trade_ts": 1_610_064_059_000}, date(2019, 12, 5)),
        ("producer", {"first_trade_ts": None, "last_trade_ts": None}, TODAY),
        ("stream", {"newest_event_ts": 1_575_526_691_000}, date(2019, 12, 5)),
        ("stream", {"newest_event_ts": "soon"}, TODAY),
    ],
)
def test_what_was_received_and_is_not_yet_archived_counts(
    data_dir: Path, service: str, detail: dict[str, object], begins: date
) -> None:
    path = Settings.load().paths.heartbeat(service)
    path.parent.mkdir()
    now = time.time()
    path.write_text(
        json.dumps({"service": service, "pid": 1, "started_at": now, "beat_at": now - 3600, "detail": detail})
    )
    assert partitions_begin(TODAY) == begins


def test_a_day_can_be_set_and_data_before_it_still_counts(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKET_PIPELINE_FIRST_DAY", "2020-06-01")
    assert partitions_begin(TODAY) == date(2020, 6, 1)
    (data_dir / "bronze" / "date=2019-12-05").mkdir(parents=True)
    assert partitions_begin(TODAY) == date(2019, 12, 5)


@pytest.mark.parametrize("wrong", ["1999-12-31", "yesterday"])
def test_a_wrong_setting_is_refused_by_name_and_does_not_keep_the_pages_from_loading(
    monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setenv("MARKET_PIPELINE_FIRST_DAY", wrong)
    with pytest.raises(SettingsError, match="MARKET_PIPELINE_FIRST_DAY must be a day such as 2026-11-24"):
        Settings.load()
    assert partitions_begin(TODAY) == TODAY


@pytest.mark.parametrize(
    ("typed", "days"),
    [
        (["asset", "materialize", "--select", "x", "--partition", "2001-02-03"], [date(2001, 2, 3)]),
        (
            ["asset", "materialize", "--select", "x", "--partition-range", "2001-02-03...2001-02-05"],
            [date(2001, 2, 3), date(2001, 2, 5)],
        ),
        (["job", "execute", "-j", "x", "--tags", '{"dagster/partition": "2001-02-03"}'], [date(2001, 2, 3)]),
        (["job", "execute", "-j", "x", "--tags", "{"], []),
        (["job", "execute", "-j", "x"], []),
        (["asset", "materialize", "--select", "x", "--partition", "AAPL"], []),
    ],
)
def test_a_day_named_on_dagsters_command_line_is_a_partition(typed: list[str], days: list[date]) -> None:
    def within(command: click.Command, arguments: list[str]) -> list[date]:
        with command.make_context("dagster", list(arguments)) as context:
            if not isinstance(command, click.Group):
                return list(asked_for())
            _, child, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            assert child is not None
            return within(child, rest)

    assert within(create_dagster_cli(), typed) == days
    assert list(asked_for()) == []


def test_schedules_ask_for_no_day_before_the_first() -> None:
    for schedule in (daily_checks_after_midnight, daily_gold_after_midnight):
        first = datetime.combine(FIRST_PARTITION, datetime.min.time(), UTC)
        answer = schedule(dg.build_schedule_context(scheduled_execution_time=first))
        assert isinstance(answer, dg.SkipReason)
        assert "there is no partition 2020-12-31: data begins on 2021-01-01" in str(answer)
