"""Ledgers find what is missing, doubled or changed, wherever it is, and nothing where there is nothing."""

import random
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.model import filled_id, trade_id
from market_pipeline.quality.ledger import (
    BarSum,
    Ledger,
    Sighting,
    bar_sums,
    compare,
    compare_bars,
    differing,
    fingerprint,
    settled_sums,
)

NOON = 1_763_000_040_000  # the start of a minute


def sighting(index: int, **changes: object) -> Sighting:
    made = Sighting(f"S{index % 3}", NOON + index * 700, trade_id(index + 1, 0), Decimal(100 + index), Decimal("0.5"))
    return made._replace(**changes)


def ledger(sightings: list[Sighting], *, since: str = "", boundaries: tuple[str, ...] = ()) -> Ledger:
    made = Ledger("hop", since, boundaries)
    for one in sightings:
        made.add(one)
    return made


ALL = [sighting(index) for index in range(300)]


@given(st.randoms(use_true_random=False))
def test_order_does_not_matter(shuffler: random.Random) -> None:
    shuffled = list(ALL)
    shuffler.shuffle(shuffled)
    assert differing(ledger(ALL), ledger(shuffled)) == set()


@given(st.integers(0, len(ALL) - 1), st.sampled_from(["lost", "doubled", "price", "volume", "time"]))
def test_one_corrupted_trade_is_found_in_its_minute_and_named(place: int, kind: str) -> None:
    other = list(ALL)
    victim = other[place]
    match kind:
        case "lost":
            del other[place]
        case "doubled":
            other.append(victim._replace(trade_id=trade_id(999_999, 0)))
        case "price":
            other[place] = victim._replace(price=victim.price + Decimal("0.000000000000000001"))
        case "volume":
            other[place] = victim._replace(volume=Decimal(0))
        case "time":
            other[place] = victim._replace(ts=victim.ts + 1)
    reference, changed = ledger(ALL), ledger(other)
    cells = differing(reference, changed)
    assert reference.cell(victim) in cells
    assert len(cells) <= 2
    named = compare(
        "hop",
        {s.trade_id: s for s in ALL if reference.cell(s) in cells},
        {s.trade_id: s for s in other if changed.cell(s) in cells},
    )
    assert named
    found = {"lost": named.missing, "doubled": named.extra}.get(kind, named.changed)
    assert found == ((trade_id(999_999, 0),) if kind == "doubled" else (victim.trade_id,))


def test_equal_numbers_with_other_digits_are_the_same_trade() -> None:
    assert fingerprint(sighting(1, price=Decimal("1.50"))) == fingerprint(sighting(1, price=Decimal("1.5")))
    assert fingerprint(sighting(1, price=Decimal("100"))) == fingerprint(sighting(1, price=Decimal("1E+2")))
    assert fingerprint(sighting(1, volume=Decimal("0"))) == fingerprint(sighting(1, volume=Decimal("0.00")))


def test_what_a_hop_has_forgotten_is_not_held_against_it() -> None:
    middle = ALL[150].trade_id
    whole = ledger(ALL, boundaries=(middle,))
    short = ledger(ALL[150:], since=middle, boundaries=(middle,))
    assert differing(whole, short) == set()
    assert differing(short, whole) == set()
    assert differing(whole, ledger(ALL[151:], since=middle, boundaries=(middle,))) != set()


def log(sightings: list[Sighting], *, since: str = "") -> Ledger:
    made = Ledger("hop", since, (since,) if since else (), log=True)
    for one in sightings:
        made.add(one)
    return made


def test_what_was_sent_again_after_a_crash_counts_once() -> None:
    found = log([*ALL[:200], *ALL[120:]])
    assert (found.count, found.repeated) == (300, 80)
    assert differing(ledger(ALL), found) == set()


def test_a_late_trade_makes_no_trade_of_another_hour_one_that_was_sent_again() -> None:
    hour = 3_600_000
    before = [sighting(index, symbol="A", ts=NOON) for index in (1, 2)]
    after = [sighting(index, symbol="A", ts=NOON + hour) for index in (3, 4, 6)]
    late = sighting(5, symbol="A", ts=NOON + 1)
    by_hour = log([*before, late, *after])
    in_order = log([*before, *after[:2], late, after[2]])
    assert [(each.count, each.repeated) for each in (by_hour, in_order)] == [(6, 0), (6, 0)]
    assert differing(by_hour, in_order) == set()
    again = log([*before, late, late, *after, after[1]])
    assert (again.count, again.repeated) == (6, 2)


def test_what_is_older_than_a_hop_remembers_was_not_sent_again() -> None:
    found = log(ALL, since=ALL[150].trade_id)
    assert (found.count, found.repeated) == (150, 0)


def test_a_bar_is_left_out_while_trades_come_into_it() -> None:
    minute = 60_000
    early = [sighting(index, symbol="A", ts=NOON + index * minute) for index in range(3)]
    cut = trade_id(1_000, 0)
    running = sighting(3, symbol="A", ts=NOON + 2 * minute, trade_id=trade_id(1_001, 0))
    late = sighting(4, symbol="A", ts=NOON, trade_id=trade_id(1_002, 0))
    new = sighting(5, symbol="B", ts=NOON + 3 * minute, trade_id=cut)
    sums, still_open = settled_sums([running, *early, late, new], cut)
    assert sums == {("A", NOON + minute): BarSum(1, Decimal("0.5"))}
    assert still_open == {("A", NOON), ("A", NOON + 2 * minute), ("B", NOON + 3 * minute)}
    assert settled_sums(early, cut) == (bar_sums(early), set())


def test_bars_add_up_to_their_trades() -> None:
    trades = [sighting(0), sighting(3), sighting(6, volume=Decimal(0))]
    sums = bar_sums(trades)
    assert sums == {("S0", NOON): BarSum(2, Decimal("1.0"))}
    assert compare_bars(sums, {("S0", NOON): BarSum(2, Decimal("1.00"))}) == []
    (wrong,) = compare_bars(sums, {("S0", NOON): BarSum(1, Decimal("0.5"))})
    assert (wrong.want.trades, wrong.have) == (2, BarSum(1, Decimal("0.5")))
    (missing,) = compare_bars(sums, {})
    assert missing.have is None
    (from_nothing,) = compare_bars({}, {("S0", NOON): BarSum(1, Decimal(1))})
    assert from_nothing.want == BarSum(0, Decimal(0))


def test_sums_keep_more_digits_than_python_does_by_itself() -> None:
    large, small = Decimal("99999999999999"), Decimal("0.000000000000000001")
    sums = bar_sums([sighting(0, volume=large), sighting(3, volume=small)])
    assert sums["S0", NOON].volume == Decimal("99999999999999.000000000000000001")
    assert fingerprint(sighting(0, volume=Decimal("99999999999999.000000000000000001"))) != fingerprint(
        sighting(0, volume=large)
    )


def test_a_bar_of_price_updates_alone_has_no_trades() -> None:
    assert bar_sums([sighting(0, volume=Decimal(0))]) == {("S0", NOON): BarSum(0, Decimal(0))}


def test_filled_trades_are_counted_apart_and_not_held_against_the_journal() -> None:
    """They come when a gap is filled, late and in any order, perhaps twice."""
    filled = [sighting(index, trade_id=filled_id(trade_id(index, 7))) for index in (9, 3, 6)]
    received = Ledger("received", "", (), log=True, takes_filled=False)
    for one in ALL:
        received.add(one)
    produced, bronze = log([*ALL, *filled, filled[1]]), log([*filled, *ALL])
    assert (produced.count, produced.filled, produced.repeated) == (300, 3, 1)
    assert differing(received, produced) == set()
    assert differing(produced, bronze) == set()
    (cell,) = differing(produced, ledger([*ALL, *filled[1:]]))
    assert cell == produced.cell(filled[0])
    assert cell.filled
