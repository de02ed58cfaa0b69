"""Invented trades: reproducible, believable, and with everything that real feeds do to their readers."""

import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from market_pipeline.feed.journal import Frame
from market_pipeline.feed.normalise import trades_of
from market_pipeline.feed.simulator import Simulator
from market_pipeline.model import Trade
from market_pipeline.settings import DEFAULT_SYMBOLS

MONDAY_NOON = int(datetime(2026, 11, 23, 17, tzinfo=UTC).timestamp() * 1000)
SUNDAY = int(datetime(2026, 11, 22, 17, tzinfo=UTC).timestamp() * 1000)


def messages(rate: float, seconds: int, seed: int = 17, start: int = MONDAY_NOON) -> list[tuple[int, bytes]]:
    simulator = Simulator(rate, seed, start)
    simulator.listen(DEFAULT_SYMBOLS)
    steps = (simulator.step() for _ in range(seconds * 50))
    return [(batch.at_ms, message) for batch in steps for message in batch.messages]


def trades(sent: list[tuple[int, bytes]]) -> list[Trade]:
    frames = [Frame(at_ms * 1000 + n, payload) for n, (at_ms, payload) in enumerate(sent)]
    items = list(trades_of(frames, "simulator"))
    assert all(isinstance(item, Trade) for item in items)
    return [item for item in items if isinstance(item, Trade)]


@pytest.fixture(scope="module")
def busy() -> list[Trade]:
    return trades(messages(2000, 10))


def test_same_seed_and_start_same_trades_another_seed_others() -> None:
    assert messages(200, 5) == messages(200, 5)
    assert messages(200, 5) != messages(200, 5, seed=18)


@pytest.mark.parametrize("rate", [5.0, 50.0, 1000.0])
def test_the_mean_rate_is_what_was_asked_for(rate: float) -> None:
    simulator = Simulator(rate, 17, MONDAY_NOON)
    simulator.listen(DEFAULT_SYMBOLS)
    seconds = 600 if rate < 1000 else 60
    count = sum(simulator.step().trades for _ in range(seconds * 50))
    assert count / seconds == pytest.approx(rate, rel=0.12)


def test_every_symbol_trades_at_any_time_but_stocks_hardly_on_a_sunday() -> None:
    noon = Counter(trade.symbol for trade in trades(messages(1000, 10)))
    sunday = Counter(trade.symbol for trade in trades(messages(1000, 10, start=SUNDAY)))
    assert set(noon) == set(sunday) == set(DEFAULT_SYMBOLS)
    assert noon["AAPL"] > 10 * sunday["AAPL"]


def test_several_trades_in_one_millisecond_mixed_symbols_and_times_that_run_backwards(busy: list[Trade]) -> None:
    assert max(Counter((trade.symbol, trade.ts) for trade in busy).values()) >= 3
    by_frame: dict[str, list[Trade]] = {}
    for trade in busy:
        by_frame.setdefault(trade.trade_id[:16], []).append(trade)
    assert any(len({trade.symbol for trade in frame}) > 3 for frame in by_frame.values())
    assert any(frame[0].ts > frame[-1].ts for frame in by_frame.values())


def test_some_trades_are_seconds_late_and_none_is_early(busy: list[Trade]) -> None:
    late = [trade.received_at // 1000 - trade.ts for trade in busy]
    assert min(late) >= 0
    assert 0.001 < sum(ms > 500 for ms in late) / len(late) < 0.01


def test_there_are_bursts() -> None:
    per_second = Counter(trade.received_at // 200_000 for trade in trades(messages(500, 30)))
    assert max(per_second.values()) > 2 * sum(per_second.values()) / len(per_second)


def test_prices_and_sizes_are_those_of_their_kind(busy: list[Trade]) -> None:
    for trade in busy:
        digits = -int(trade.price.as_tuple().exponent)
        assert digits <= (5 if trade.symbol.startswith("OANDA") else 2)
        assert (trade.volume == 0) == trade.symbol.startswith("OANDA")
        assert (trade.conditions == ()) == (":" in trade.symbol)
    apple = [trade.price for trade in busy if trade.symbol == "AAPL"]
    assert Decimal(1) < max(apple) / min(apple) < Decimal("1.05")


def test_a_step_without_subscriptions_sends_nothing() -> None:
    simulator = Simulator(1000, 1, MONDAY_NOON)
    assert not any(simulator.step().messages for _ in range(100))


def test_messages_look_like_the_vendors() -> None:
    message = json.loads(messages(200, 2)[0][1])
    assert message["type"] == "trade"
    assert set(message["data"][0]) == {"c", "p", "s", "t", "v"}
