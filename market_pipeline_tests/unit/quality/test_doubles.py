"""Identity is the trade's id, never its time or value."""

from market_pipeline.quality.doubles import Accounts, Placed, doubles


def test_real_twins_are_two_trades() -> None:
    assert doubles([Placed("1", "AAPL", 5), Placed("2", "AAPL", 5)]) == []


def test_one_id_at_two_places_is_found() -> None:
    (found,) = doubles([Placed("1", "AAPL", 5), Placed("2", "AAPL", 5), Placed("1", "AAPL", 6)])
    assert str(found) == "1: AAPL at 5 and AAPL at 6"


def test_accounts_balance() -> None:
    assert Accounts(10, 2, 1, 7).missing == 0
    assert str(Accounts(10, 2, 1, 7)) == "bronze 10 = silver 7 + rejected 2 + sent again 1"
    assert str(Accounts(10, 2, 1, 5)).endswith("+ missing 2")
    assert Accounts(10, 2, 1, 8).missing == -1
