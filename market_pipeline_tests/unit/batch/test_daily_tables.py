"""A day's rows become the batch's, unless bronze may lack what they were made of."""

from market_pipeline.batch.daily_tables import plan

ROWS = [{"symbol": "A", "trades": 5}, {"symbol": "B", "trades": 5}, {"symbol": "C", "trades": 0}]
STORED = {"A": 9, "B": 4, "GONE": 1}


def test_what_the_batch_does_not_have_goes() -> None:
    assert plan(ROWS, STORED, may_lack=False) == (ROWS, ["GONE"], [])


def test_rows_that_count_more_stay_where_bronze_may_lack_trades() -> None:
    assert plan(ROWS, STORED, may_lack=True) == (ROWS[1:], [], ["A", "GONE"])
