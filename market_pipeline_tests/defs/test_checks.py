"""The asset checks as functions: what they say of what the store tells them."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from market_pipeline.batch import day_checks
from market_pipeline.broker.client import BrokerUnreachableError
from market_pipeline.bronze import archive
from market_pipeline.bronze.archive import ArchiveResult, OffsetsLost
from market_pipeline.bronze.manifest import OffsetGap
from market_pipeline.defs import checks
from market_pipeline.defs.resources import BatchSpark, PipelineResource
from market_pipeline.quality.bars import BarDifference, BarFault
from market_pipeline.quality.doubles import Accounts, Placed, doubles

DAY = date(2021, 1, 8)
AT = datetime(2021, 1, 8, 10, 30, tzinfo=UTC)


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineResource:
    return PipelineResource.at(tmp_path)


@pytest.fixture(autouse=True)
def _one_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """A context that is made for a test has no partition."""
    monkeypatch.setattr(checks, "days_of", lambda _: [DAY])


def judge(check: Any, **resources: Any) -> dg.AssetCheckResult:
    result = check(dg.build_asset_check_context(), **resources)
    assert isinstance(result, dg.AssetCheckResult)
    return result


def judge_now(check: Any, pipeline: PipelineResource) -> dg.AssetCheckResult:
    """A check that has no partitions and takes no context."""
    result = check(pipeline=pipeline)
    assert isinstance(result, dg.AssetCheckResult)
    return result


def told(monkeypatch: pytest.MonkeyPatch, name: str, answer: Any) -> None:
    """Let the store tell ``answer``, whatever day it is asked for."""
    monkeypatch.setattr(day_checks, name, lambda *_: answer)


def test_sound_bars_pass_and_are_counted(pipeline: PipelineResource, monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, "bar_faults", (1440, []))
    result = judge(checks.bars_are_sane, pipeline=pipeline)
    assert result.passed
    assert result.metadata["bars"].value == 1440


def test_a_faulty_bar_fails_and_is_named(pipeline: PipelineResource, monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, "bar_faults", (2, [BarFault("AAPL", AT, "low 0 is not positive")]))
    result = judge(checks.bars_are_sane, pipeline=pipeline)
    assert not result.passed
    assert result.severity is dg.AssetCheckSeverity.ERROR
    assert result.metadata["first faults"].value == "- AAPL 2021-01-08 10:30 low 0 is not positive"


def test_many_faults_are_counted_and_a_few_named(pipeline: PipelineResource, monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, "bar_faults", (500, [BarFault("AAPL", AT, "x")] * 500))
    result = judge(checks.bars_are_sane, pipeline=pipeline)
    assert result.metadata["faults"].value == 500
    assert str(result.metadata["first faults"].value).count("\n") == 19


def test_a_doubled_id_fails(pipeline: PipelineResource, monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, "silver_doubles", (2, doubles([Placed("1", "AAPL", 5), Placed("1", "AAPL", 6)])))
    assert not judge(checks.no_doubled_trade_id, pipeline=pipeline).passed


@pytest.mark.parametrize(("silver", "passed"), [(7, True), (6, False), (8, False)])
def test_bronze_must_be_accounted_for(
    pipeline: PipelineResource, monkeypatch: pytest.MonkeyPatch, silver: int, passed: bool
) -> None:
    monkeypatch.setattr(archive, "archive_new", lambda _: ArchiveResult())
    told(monkeypatch, "accounts", Accounts(10, 2, 1, silver))
    result = judge(checks.bronze_is_silver_plus_rejected, pipeline=pipeline, spark=BatchSpark())
    assert result.passed is passed
    assert result.metadata["missing"].value == 7 - silver


def test_rows_that_have_left_silver_are_told_and_not_missing(
    pipeline: PipelineResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "archive_new", lambda _: ArchiveResult())
    told(monkeypatch, "accounts", Accounts(10, 2, 1, 0, expired=7))
    result = judge(checks.bronze_is_silver_plus_rejected, pipeline=pipeline, spark=BatchSpark())
    assert result.passed
    assert (result.metadata["expired"].value, result.metadata["missing"].value) == (7, 0)
    assert "expired 7" in str(result.metadata["days"].value)


def test_late_trades_warn(pipeline: PipelineResource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "archive_new", lambda _: ArchiveResult())
    told(monkeypatch, "bar_differences", (1, [BarDifference("AAPL", AT, "volume", Decimal(3), Decimal(4))]))
    result = judge(checks.stream_bars_are_batch_bars, pipeline=pipeline, spark=BatchSpark())
    assert not result.passed
    assert result.severity is dg.AssetCheckSeverity.WARN


def test_lost_offsets_warn_by_name(pipeline: PipelineResource, monkeypatch: pytest.MonkeyPatch) -> None:
    assert judge_now(checks.no_offsets_lost, pipeline).passed
    gap = OffsetGap(1, 5, 9, "aged out", "2025-01-01T00:00:00+00:00")
    monkeypatch.setattr(archive, "archive_gaps", lambda _: (gap,))
    result = judge_now(checks.no_offsets_lost, pipeline)
    assert not result.passed
    assert result.metadata["first faults"].value == "- partition 1 offsets 5 to 8 (aged out)"


@pytest.mark.parametrize(
    ("check", "asked", "answer"),
    [
        (checks.bronze_is_silver_plus_rejected, "accounts", Accounts(10, 2, 1, 7)),
        (checks.stream_bars_are_batch_bars, "bar_differences", (1, [])),
    ],
)
def test_lost_offsets_keep_no_check_from_judging(
    pipeline: PipelineResource, monkeypatch: pytest.MonkeyPatch, check: Any, asked: str, answer: Any
) -> None:
    def lost(_: object) -> None:
        raise OffsetsLost(ArchiveResult(gaps=[OffsetGap(1, 5, 9, "aged out", "2025-01-01T00:00:00+00:00")]))

    monkeypatch.setattr(archive, "archive_new", lost)
    told(monkeypatch, asked, answer)
    assert judge(check, pipeline=pipeline, spark=BatchSpark()).passed


def test_a_crypto_price_of_yesterday_is_stale(pipeline: PipelineResource, monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, "newest_prices", {"BINANCE:BTCUSDT": datetime(2021, 1, 8, tzinfo=UTC)})
    assert not judge_now(checks.fresh_in_trading_hours, pipeline).passed
    told(monkeypatch, "newest_prices", {"BINANCE:BTCUSDT": datetime.now(UTC)})
    assert judge_now(checks.fresh_in_trading_hours, pipeline).passed


def test_a_pipeline_that_is_down_is_told_in_one_line(
    pipeline: PipelineResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise BrokerUnreachableError(pipeline.settings(), "connection refused")

    monkeypatch.setattr(archive, "archive_new", down)
    look: Callable[..., Any] = checks.stream_bars_are_batch_bars
    with pytest.raises(dg.DagsterUserCodeExecutionError) as failed:
        judge(look, pipeline=pipeline, spark=BatchSpark())
    told = str(failed.value.__cause__)
    assert told.endswith(f"start it with `market-pipeline up --data-dir {pipeline.settings().data_dir}`")
    assert "\n" not in told
