"""Values of Cassandra as text and as exact JSON."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from cassandra.util import Date
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.store.cells import json_cell, json_rows, text_cell


@given(st.decimals(allow_nan=False, allow_infinity=False, places=18))
def test_decimals_are_exact_json_numbers(number: Decimal) -> None:
    text = json_cell(number)
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal) == number
    assert "E" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("39432.480"), "39432.480"),
        (Decimal("1E-7"), "0.0000001"),
        (datetime(2025, 11, 10, 14, 30, 0, 123000), '"2025-11-10T14:30:00.123Z"'),  # noqa: DTZ001 the driver's form
        (datetime(2025, 11, 10, 20, 0, tzinfo=timezone(timedelta(hours=5.5))), '"2025-11-10T14:30:00.000Z"'),
        (datetime(2025, 11, 10, tzinfo=UTC), '"2025-11-10T00:00:00.000Z"'),
        (Date("2025-11-10"), '"2025-11-10"'),
        (date(2025, 11, 10), '"2025-11-10"'),
        (None, "null"),
        (True, "true"),
        (float("nan"), "null"),
        (["a", Decimal("1.5")], '["a",1.5]'),
        ({"k": Decimal(1)}, '{"k":1}'),
        (b"\x00\xff", '"0x00ff"'),
        ("BINANCE:BTCUSDT", '"BINANCE:BTCUSDT"'),
    ],
)
def test_json_of_one_value(value: object, text: str) -> None:
    assert json_cell(value) == text
    json.loads(text)


def test_rows_are_one_json_array() -> None:
    text = "".join(json_rows(["symbol", "price"], [("A", Decimal("1.10")), ("B", None)]))
    assert json.loads(text, parse_float=Decimal) == [
        {"symbol": "A", "price": Decimal("1.10")}, {"symbol": "B", "price": None},
    ]  # fmt: skip
    assert "".join(json_rows(["a"], [])) == "[]"


def test_text_for_the_terminal() -> None:
    assert text_cell(Decimal("1E-7")) == "0.0000001"
    assert text_cell(None) == ""
    assert text_cell(["1", "12"]) == "1, 12"


@pytest.mark.parametrize("text", ["1E+200000000", "1E-200000000"])
def test_a_number_of_millions_of_zeros_keeps_its_exponent(text: str) -> None:
    assert text_cell(Decimal(text)) == text
    assert json_cell(Decimal(text)) == text
