"""What no symbol and no condition may hold: the Unicode categories that can't be seen, by this Python's own tables."""

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.model import RejectedTrade, Rejection, check_conditions, check_symbol, decode
from market_pipeline.model.characters import forbidden_in, has_lone_surrogate
from market_pipeline_tests.unit.test_model import record

FORBIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}
UNASSIGNED = "Cn"


def test_every_character_is_judged_by_its_category() -> None:
    for point in range(sys.maxunicode + 1):
        category = unicodedata.category(chr(point))
        if category != UNASSIGNED:  # by this Python; a newer Unicode may have given it one
            assert (forbidden_in(chr(point)) is not None) == (category in FORBIDDEN_CATEGORIES), f"U+{point:04X}"


@given(st.text(max_size=20))
def test_a_text_is_refused_exactly_when_one_of_its_characters_is(text: str) -> None:
    bad = [character for character in text if forbidden_in(character)]
    assert forbidden_in(text) == (bad[0] if bad else None)


@pytest.mark.parametrize(
    "hidden",
    ["\0", "\n", "\x1b[31m", "\x7f", "\x9b", "\u202e", "\u2066", "\u200b", "\u2028", "\u2029", "\ufeff", "\ud800"],
)
def test_a_symbol_or_condition_with_a_hidden_character_is_none(hidden: str) -> None:
    for check in (lambda: check_symbol(f"A{hidden}B"), lambda: check_conditions(["1", f"{hidden}2"])):
        with pytest.raises(RejectedTrade, match=f"U\\+{ord(hidden[0]):04X}") as caught:
            check()
        assert caught.value.reason is Rejection.FORBIDDEN_CHARACTER


@pytest.mark.parametrize(
    "symbol",
    [
        "BRK.B",
        "BRK B",
        " AAPL",
        "M&M.NS",
        "日経",
        "🚀",
        'A"B\\C',
        "^GSPC",
        "IC MARKETS:7",
        "a|b<c>",
        "e\u0301",
        "X" * 1000,
    ],
)
def test_odd_symbols_that_can_be_seen_are_symbols(symbol: str) -> None:
    assert check_symbol(symbol) == symbol


@pytest.mark.parametrize(
    "conditions",
    [[True], [False, "1"], [None], ["1", None], [1.0], [[1]], "1", "", "@ I", {"a": 1}, True, 1],
)
def test_conditions_are_text_or_whole_numbers_and_nothing_else(conditions: object) -> None:
    with pytest.raises(RejectedTrade) as caught:
        check_conditions(conditions)
    assert caught.value.reason is Rejection.WRONG_TYPE


def test_conditions_as_the_vendor_documents_them() -> None:
    assert [check_conditions(each) for each in (None, [], ["1", "12"], [1, 12])] == [(), (), ("1", "12"), ("1", "12")]


escapes = st.lists(
    st.one_of(
        st.characters().map(lambda c: json.dumps(c)[1:-1]),
        st.sampled_from(["\\\\", "\\\\ud800", '\\"', "x", "\\ud83d\\ude80"]),
        st.integers(0xD800, 0xDFFF).map(lambda n: f"\\u{n:04x}"),
        st.integers(0, 0xFFFF).map(lambda n: f"\\u{n:04X}"),
    ),
    max_size=8,
).map("".join)


@given(escapes)
def test_half_a_surrogate_pair_is_found_in_json_text_exactly_when_the_text_has_it(written: str) -> None:
    text = json.loads(f'"{written}"')
    assert has_lone_surrogate(written) == any("\ud800" <= character <= "\udfff" for character in text)


@pytest.mark.parametrize("value", [record().replace(b"{", b"\xef\xbb\xbf{"), record().replace(b"BTC", b"\xed\xa0\x80")])
def test_a_record_of_kafka_is_plain_utf_8(value: bytes) -> None:
    with pytest.raises(RejectedTrade) as caught:
        decode(value)
    assert caught.value.reason is Rejection.MALFORMED_JSON
