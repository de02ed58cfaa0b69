"""Rows of ``trades_silver`` as columns, whatever numbers somebody wrote into the table."""

from decimal import Decimal

import pytest

from market_pipeline.quality.columns import NOT_A_NUMBER
from market_pipeline.store.trades import _decimals


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.5", Decimal("1.5")),
        ("1E+3", Decimal(1000)),
        ("1E-999999999", NOT_A_NUMBER),  # which ends the process, if Arrow reads it
        ("0E-999999999", Decimal(0)),
        ("9" * 60, NOT_A_NUMBER),
        (None, NOT_A_NUMBER),
    ],
)
def test_a_number_that_no_trade_has_is_none_and_ends_nothing(text: str | None, number: Decimal) -> None:
    assert _decimals([text, "2"]).to_pylist() == [number, Decimal(2)]
