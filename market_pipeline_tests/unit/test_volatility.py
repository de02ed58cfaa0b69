"""Realised volatility."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.volatility import realised_volatility


def test_it_is_the_root_of_the_summed_squared_log_returns() -> None:
    expected = math.sqrt(math.log(1.1) ** 2 + math.log(0.9) ** 2)
    assert realised_volatility([100.0, 110.0, 99.0]) == pytest.approx(expected)


def test_fewer_than_two_closes_have_none() -> None:
    assert realised_volatility([]) is None
    assert realised_volatility([5.0]) is None


def test_a_close_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="not positive"):
        realised_volatility([1.0, 0.0])


@given(st.lists(st.floats(0.01, 1e6), min_size=2, max_size=50), st.floats(0.1, 10))
def test_neither_the_unit_nor_the_direction_of_time_matters(closes: list[float], unit: float) -> None:
    found = realised_volatility(closes)
    assert found == pytest.approx(realised_volatility([close * unit for close in closes]), abs=1e-9)
    assert found == pytest.approx(realised_volatility(closes[::-1]), abs=1e-9)
