"""What bronze may lack decides what a rebuild may delete."""

from datetime import UTC, datetime, timedelta

import pytest

from market_pipeline.bronze.lacking import Lacking, judge
from market_pipeline.bronze.manifest import OffsetGap
from market_pipeline.model import trade_id

NOTICED = datetime(2025, 11, 28, 12, 0, 5, tzinfo=UTC)
GAPS = tuple(
    OffsetGap(0, 5, 9, "aged out", (NOTICED - timedelta(days=days)).isoformat(timespec="seconds")) for days in (3, 0)
)


def received(at: datetime) -> str:
    return trade_id(int(at.timestamp() * 1_000_000), 0)


def test_without_a_gap_what_bronze_does_not_have_never_was() -> None:
    whole = judge((), has_files=True)
    assert not whole.trade(received(NOTICED))
    assert not whole.minute(NOTICED)


def test_a_day_without_a_file_is_not_a_day_without_a_trade() -> None:
    unknown = judge((), has_files=False)
    assert unknown.trade(received(NOTICED))
    assert unknown.minute(NOTICED)


@pytest.mark.parametrize(("after_s", "lost"), [(-40_000_000, True), (0, True), (0.9, True), (2, False)])
def test_a_gap_may_hold_whatever_was_received_before_it_was_noticed(after_s: float, lost: bool) -> None:
    assert judge(GAPS, has_files=True).trade(received(NOTICED + timedelta(seconds=after_s))) is lost


def test_an_identity_that_no_receiver_gives_is_no_trade() -> None:
    assert not judge(GAPS, has_files=True).trade("x")


def test_a_minute_may_be_a_little_ahead_of_the_receiver() -> None:
    found = judge(GAPS, has_files=True)
    assert found.minute(NOTICED + timedelta(minutes=1))
    assert not found.minute(NOTICED + timedelta(minutes=2))
    assert found == Lacking(whole_day=False, until=NOTICED + timedelta(seconds=1))
