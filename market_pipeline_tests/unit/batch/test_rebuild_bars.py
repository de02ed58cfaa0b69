"""The batch's bars replace the stored ones, unless these may hold trades that bronze lost."""

from datetime import UTC, datetime, timedelta
from typing import Any

from market_pipeline.batch.rebuild_bars import Known, corrections
from market_pipeline.batch.write_time import outbid
from market_pipeline.bronze.lacking import Lacking

AT = datetime(2025, 11, 28, 7, tzinfo=UTC)
LATER = AT + timedelta(hours=6)


def bar(trades: int | None, close: int = 1) -> dict[str, Any]:
    return {"close": close, "trades": trades}


def minute(number: int) -> datetime:
    return AT + timedelta(minutes=number)


STORED = {minute(0): bar(2), minute(1): bar(1), minute(2): bar(3), minute(3): bar(2, close=9), LATER: bar(5),
          minute(5): bar(None)}  # fmt: skip
BATCH = {minute(0): bar(2), minute(1): bar(2), minute(2): bar(2), minute(3): bar(2), minute(4): bar(1)}


def test_bars_become_the_batchs() -> None:
    found = corrections(STORED, BATCH, Lacking())
    assert found.wrong == [minute(1), minute(2), minute(3), minute(4)]
    assert found.extra == [minute(5), LATER]
    assert found.kept == []


def test_bars_that_know_more_stay_where_records_were_lost() -> None:
    found = corrections(STORED, BATCH, Lacking(until=minute(10)))
    assert found.wrong == [minute(1), minute(3), minute(4)]
    assert found.extra == [LATER]
    assert found.kept == [minute(2), minute(5)]


def test_a_day_that_bronze_has_no_file_of_loses_nothing() -> None:
    found = corrections(STORED, {}, Lacking(whole_day=True))
    assert (found.wrong, found.extra, len(found.kept)) == ([], [], 6)


def test_a_bar_has_the_write_time_that_the_streams_writer_gives_it_unless_a_wrong_row_has_a_later_one() -> None:
    known = Known(size=7, newest_ms=1_764_000_000_123)
    assert outbid(known.write_us, None) == 1_764_000_000_123_007
    assert outbid(known.write_us, 1_764_000_000_000_000) == 1_764_000_000_123_007
    assert outbid(known.write_us, 1_764_000_000_123_007) == 1_764_000_000_123_008
