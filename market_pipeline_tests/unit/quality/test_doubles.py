"""Identity is the trade's id, never its time or value."""

from pathlib import Path

from market_pipeline.model import trade_id
from market_pipeline.quality.doubles import Accounts, Placed, digest, doubles, repeated


def test_real_twins_are_two_trades() -> None:
    assert doubles([Placed("1", "AAPL", 5), Placed("2", "AAPL", 5)]) == []


def test_one_id_at_two_places_is_found() -> None:
    (found,) = doubles([Placed("1", "AAPL", 5), Placed("2", "AAPL", 5), Placed("1", "AAPL", 6)])
    assert str(found) == "1: AAPL at 5 and AAPL at 6"


def test_one_id_among_many_is_found_wherever_it_stands(tmp_path: Path) -> None:
    many = [trade_id(1_763_000_000_000_000 + index, 0) for index in range(20_000)]
    assert repeated(many, tmp_path) == (20_000, set())
    twice = [*many, many[17], many[19_999], many[17]]
    assert repeated(twice, tmp_path) == (20_003, {digest(many[17]), digest(many[19_999])})
    assert list(tmp_path.iterdir()) == []


def test_accounts_balance() -> None:
    assert Accounts(10, 2, 1, 7).missing == 0
    assert str(Accounts(10, 2, 1, 7)) == "bronze 10 = silver 7 + rejected 2 + sent again 1"
    assert str(Accounts(10, 2, 1, 5)).endswith("sent again 1 + missing 2")
    assert str(Accounts(10, 2, 1, 3, expired=3)).endswith("sent again 1 + expired 3 + missing 1")
    assert Accounts(10, 2, 1, 8).missing == -1
