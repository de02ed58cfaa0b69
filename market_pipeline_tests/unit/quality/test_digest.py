"""Digests find what is missing, doubled or changed, wherever it is, and nothing where there is nothing."""

import random
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.model import Trade, filled_id, trade_id
from market_pipeline.quality.columns import NOT_A_NUMBER, checksums, exact, of_trades
from market_pipeline.quality.digest import NAMED_TRADES, Cell, HopDigest, compare, differing, to_name, trades_in

NOON = 1_763_000_040_000  # the start of a minute


def trade(index: int, **changes: object) -> Trade:
    made = Trade(
        f"S{index % 3}", Decimal(100 + index), Decimal("0.5"), NOON + index * 700, trade_id(index + 1, 0), 0, "t", index
    )
    return replace(made, **changes)


def digest(trades: list[Trade], *, since: str = "", boundaries: tuple[str, ...] = (), log: bool = False) -> HopDigest:
    made = HopDigest("hop", since, boundaries, log)
    for start in range(0, len(trades), 97):
        made.add(of_trades(trades[start : start + 97]))
    return made


def log(trades: list[Trade], *, since: str = "") -> HopDigest:
    return digest(trades, since=since, boundaries=(since,) if since else (), log=True)


def checksum(one: Trade) -> int:
    return int(checksums(of_trades([one]))[0])


ALL = [trade(index) for index in range(300)]


@given(st.randoms(use_true_random=False))
def test_order_does_not_matter(shuffler: random.Random) -> None:
    shuffled = list(ALL)
    shuffler.shuffle(shuffled)
    assert differing(digest(ALL), digest(shuffled)) == {}


@given(st.integers(0, len(ALL) - 1), st.sampled_from(["lost", "doubled", "price", "volume", "time"]))
def test_one_corrupted_trade_is_found_in_its_minute_and_named(place: int, kind: str) -> None:
    other = list(ALL)
    victim = other[place]
    match kind:
        case "lost":
            del other[place]
        case "doubled":
            other.append(replace(victim, trade_id=trade_id(999_999, 0)))
        case "price":
            other[place] = replace(victim, price=victim.price + Decimal("0.000000000000000001"))
        case "volume":
            other[place] = replace(victim, volume=Decimal(0))
        case "time":
            other[place] = replace(victim, ts=victim.ts + 1)
    reference, changed = digest(ALL), digest(other)
    cells = differing(reference, changed)
    assert Cell(0, victim.symbol, victim.ts - victim.ts % 60_000) in cells
    assert len(cells) <= 2
    named = compare(
        "hop",
        trades_in([of_trades(ALL)], to_name(cells), reference),
        trades_in([of_trades(other)], to_name(cells), changed),
    )
    assert named
    found = {"lost": named.missing, "doubled": named.extra}.get(kind, named.changed)
    assert found == ((trade_id(999_999, 0),) if kind == "doubled" else (victim.trade_id,))


def test_equal_numbers_with_other_digits_are_the_same_trade() -> None:
    assert checksum(trade(1, price=Decimal("1.50"))) == checksum(trade(1, price=Decimal("1.5")))
    assert checksum(trade(1, price=Decimal("100"))) == checksum(trade(1, price=Decimal("1E+2")))
    assert checksum(trade(1, volume=Decimal("0"))) == checksum(trade(1, volume=Decimal("0.00")))


def test_a_volume_of_minus_zero_is_a_price_update_like_any_other() -> None:
    assert checksum(trade(1, volume=Decimal("-0.0"))) == checksum(trade(1, volume=Decimal(0)))


def test_every_digit_counts() -> None:
    large, small = Decimal("99999999999999"), Decimal("99999999999999.000000000000000001")
    assert checksum(trade(0, volume=large)) != checksum(trade(0, volume=small))
    assert exact(small) == small


def test_what_no_trade_can_hold_differs_from_every_trade() -> None:
    for number in (None, Decimal("1E-19"), Decimal("1E+30"), Decimal("NaN")):
        assert exact(number) == NOT_A_NUMBER


@given(st.lists(st.text(min_size=1, max_size=40), min_size=2, max_size=6, unique=True))
def test_identities_of_any_length_are_told_apart_whatever_stands_beside_them(identities: list[str]) -> None:
    trades = [trade(0, trade_id=each) for each in identities if "\0" not in each and each.isprintable()]
    together = checksums(of_trades(trades)).tolist()
    assert together == [checksum(each) for each in trades]
    assert len(set(together)) == len(trades)


def test_what_a_hop_has_forgotten_is_not_held_against_it() -> None:
    middle = ALL[150].trade_id
    whole = digest(ALL, boundaries=(middle,))
    short = digest(ALL[150:], since=middle, boundaries=(middle,))
    assert differing(whole, short) == {}
    assert differing(short, whole) == {}
    assert differing(whole, digest(ALL[151:], since=middle, boundaries=(middle,))) != {}


def test_what_was_sent_again_after_a_crash_counts_once() -> None:
    found = log([*ALL[:200], *ALL[120:]])
    assert (found.count, found.repeated) == (300, 80)
    assert differing(digest(ALL), found) == {}


def test_a_late_trade_makes_no_trade_of_another_hour_one_that_was_sent_again() -> None:
    hour = 3_600_000
    before = [trade(index, symbol="A", ts=NOON) for index in (1, 2)]
    after = [trade(index, symbol="A", ts=NOON + hour) for index in (3, 4, 6)]
    late = trade(5, symbol="A", ts=NOON + 1)
    by_hour = log([*before, late, *after])
    in_order = log([*before, *after[:2], late, after[2]])
    assert [(each.count, each.repeated) for each in (by_hour, in_order)] == [(6, 0), (6, 0)]
    assert differing(by_hour, in_order) == {}
    again = log([*before, late, late, *after, after[1]])
    assert (again.count, again.repeated) == (6, 2)


def test_within_an_hour_a_log_is_read_in_the_order_in_which_it_was_written() -> None:
    """A trade that is late by its time was not there before; one whose id comes again was, in the next batch too."""
    on_time, late = trade(1, symbol="A", ts=NOON + 5), trade(2, symbol="A", ts=NOON)
    found = log([on_time, late])
    assert (found.count, found.repeated) == (2, 0)
    found.add(of_trades([late, trade(3, symbol="A", ts=NOON + 9)]))
    assert (found.count, found.repeated) == (3, 1)
    found.add(of_trades([trade(3, symbol="A", ts=NOON + 9)]))
    assert (found.count, found.repeated) == (3, 2)


def test_what_is_older_than_a_hop_remembers_was_not_sent_again() -> None:
    found = log(ALL, since=ALL[150].trade_id)
    assert (found.count, found.repeated) == (150, 0)


def test_filled_trades_are_counted_apart_and_not_held_against_the_journal() -> None:
    """They come when a gap is filled, late and in any order, perhaps twice."""
    filled = [trade(index, trade_id=filled_id(trade_id(index, 7))) for index in (9, 3, 6)]
    received = HopDigest("received", "", (), log=True, takes_filled=False)
    received.add(of_trades(ALL))
    produced, bronze = log([*ALL, *filled, filled[1]]), log([*filled, *ALL])
    assert (produced.count, produced.filled, produced.repeated) == (300, 3, 1)
    assert differing(received, produced) == {}
    assert differing(produced, bronze) == {}
    (cell,) = differing(produced, digest([*ALL, *filled[1:]]))
    assert (cell.symbol, cell.filled) == (filled[0].symbol, True)


def test_a_day_of_any_length_is_named_up_to_a_limit_and_counted_beyond_it() -> None:
    busy = {Cell(0, "A", NOON + minute * 60_000): (NAMED_TRADES // 2, 0) for minute in range(5)}
    named = to_name(busy)
    assert named == set(list(busy)[:2])
    found = compare("hop", {"a": 1}, {}, [counts for cell, counts in busy.items() if cell not in named])
    assert (found.missing, found.more_missing, found.more_extra) == (("a",), 3 * (NAMED_TRADES // 2), 0)


def test_many_batches_take_no_more_memory_than_their_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("market_pipeline.quality.digest.MERGE_ROWS", 1_000)
    made = HopDigest("hop", "", ())
    batch = of_trades(ALL)
    for _ in range(400):
        made.add(batch)
    assert made.count == 400 * len(ALL)
    assert sum(part.num_rows for part in made._parts) < 2_000
    assert int(np.sum(made.cells().column("trades").to_numpy())) == made.count
