"""A false price is outbid, so that its symbol is never without one."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from market_pipeline.batch.rebuild_latest import Price, false_prices, row_of
from market_pipeline.bronze.lacking import Lacking
from market_pipeline.model import trade_id

TRUE = Price("AAPL", datetime(2025, 11, 28, tzinfo=UTC), Decimal("1.5"), Decimal(2), "id", 1_000)
LOST = trade_id(int(datetime(2025, 11, 28, 7, tzinfo=UTC).timestamp() * 1_000_000), 0)


def test_a_true_price_keeps_its_own_write_time() -> None:
    assert row_of(TRUE, None) == ("AAPL", TRUE.ts, Decimal("1.5"), Decimal(2), "id", 1_000)


def test_a_false_price_is_outbid_by_a_microsecond() -> None:
    assert row_of(TRUE, replace(TRUE, written_us=5_000))[-1] == 5_001
    assert row_of(TRUE, replace(TRUE, written_us=10))[-1] == 1_000


def test_a_price_whose_trade_bronze_may_have_lost_is_not_false() -> None:
    until = datetime(2025, 11, 28, 12, tzinfo=UTC)
    lost, false = (replace(TRUE, symbol=symbol, trade_id=identity) for symbol, identity in (("A", LOST), ("B", "x")))
    assert set(false_prices([lost, false], Lacking())) == {"A", "B"}
    assert set(false_prices([lost, false], Lacking(until=until))) == {"B"}
    assert false_prices([lost, false], Lacking(whole_day=True)) == {}
