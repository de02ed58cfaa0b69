"""The protocol, without a socket and without a clock."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.feed.finnhub import (
    DEAD_AFTER_S,
    ErrorSeen,
    Liveness,
    PlanLimitReached,
    Protocol,
    SymbolRejected,
    TradesSeen,
)
from market_pipeline_tests.unit.feed.conftest import element, trade_message

PING = b'{"type":"ping"}'


class Market:
    """Which symbols can trade now."""

    def __init__(self) -> None:
        self.open = True

    def __call__(self, symbol: str) -> bool:
        return self.open


def protocol(symbols: tuple[str, ...] = ("AAPL", "MSFT"), limit: int = 50, market: Market | None = None) -> Protocol:
    made = Protocol(symbols, limit, 300.0, market or Market())
    made.connected(0.0)
    return made


def trades(*symbols: str) -> bytes:
    return trade_message(*(element(symbol) for symbol in symbols)).encode()


def subscriptions(messages: list[str]) -> list[str]:
    orders = [json.loads(message) for message in messages]
    assert all(order["type"] == "subscribe" for order in orders)
    return [order["symbol"] for order in orders]


def pinged(until: float, made: Protocol, start: float = 0.0) -> None:
    at = start
    while at + 60 <= until:
        at += 60
        made.message(PING, at)


def test_every_symbol_is_subscribed_after_connecting_and_again_after_reconnecting() -> None:
    made = protocol()
    assert subscriptions(made.outgoing(0.0) + made.outgoing(1.0)) == ["AAPL", "MSFT"]
    assert made.outgoing(2.0) == []
    made.connected(50.0)
    assert subscriptions(made.outgoing(50.0) + made.outgoing(51.0)) == ["AAPL", "MSFT"]


def test_subscriptions_are_paced() -> None:
    made = protocol(tuple(f"S{n}" for n in range(250)), limit=250)
    sent = [len(made.outgoing(at / 4)) for at in range(60)]
    assert sum(sent) == 250
    assert max(sent) <= 51


def test_the_symbol_limit_is_told_and_names_what_is_left_out() -> None:
    made = protocol(("A", "B", "C", "D"), limit=3)
    assert (made.symbols, made.left_out) == (("A", "B", "C"), ("D",))


def test_a_subscription_is_proven_by_its_first_trade_after_each_connect() -> None:
    made = protocol()
    assert made.unseen == ["AAPL", "MSFT"]
    assert made.message(trades("MSFT", "MSFT", "OTHER"), 1.0) == [TradesSeen(3, ("MSFT",))]
    assert made.message(trades("MSFT"), 2.0) == [TradesSeen(1)]
    assert (made.seen, made.unseen) == ({"MSFT"}, ["AAPL"])
    made.connected(10.0)
    assert (made.seen, made.unseen) == (set(), ["AAPL", "MSFT"])
    assert made.message(trades("MSFT"), 11.0) == [TradesSeen(1, ("MSFT",))]
    assert made.received == 5


def test_the_symbols_without_a_trade_are_found_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each heartbeat asks for them: with a pass a symbol, 10,000 symbols took all of the producer's time."""
    asked: list[Protocol] = []
    monkeypatch.setattr(Protocol, "seen", property(lambda self: asked.append(self) or set()))
    assert protocol(("A", "B", "C"), limit=3).unseen == ["A", "B", "C"]
    assert len(asked) == 1


def test_half_open_no_message_of_any_kind_is_dead() -> None:
    made = protocol()
    pinged(600, made)
    made.message(trades("AAPL"), 600)
    assert made.liveness(600 + DEAD_AFTER_S) is Liveness.FINE
    assert made.liveness(600 + DEAD_AFTER_S + 1) is Liveness.DEAD


def test_connected_but_mute_subscribes_again_then_reconnects() -> None:
    made = protocol()
    made.outgoing(1.0)
    made.outgoing(2.0)
    pinged(300, made)
    assert made.liveness(299) is Liveness.FINE
    assert made.liveness(301) is Liveness.RESUBSCRIBE
    assert subscriptions(made.outgoing(301) + made.outgoing(302)) == ["AAPL", "MSFT"]
    pinged(600, made, 300)
    assert made.liveness(590) is Liveness.FINE
    assert made.liveness(602) is Liveness.MUTE


def test_a_feed_that_stays_mute_is_reconnected_less_and_less_often() -> None:
    made, at, reconnects = protocol(), 0.0, []
    while len(reconnects) < 7:
        at += 10
        made.message(PING, at)
        if made.liveness(at) is Liveness.MUTE:
            reconnects.append(at)
            made.connected(at)
    pauses = [later - earlier for earlier, later in pairwise(reconnects)]
    assert pauses[0] == pytest.approx(1200, abs=30)
    assert pauses == sorted(pauses)
    assert pauses[-1] <= 2 * 3600 + 30
    made.message(trades("AAPL"), at)
    made.message(PING, at + 301)
    assert made.liveness(at + 301) is Liveness.RESUBSCRIBE


def test_quiet_is_not_mute_while_all_markets_are_closed() -> None:
    market = Market()
    market.open = False
    made = protocol(market=market)
    for hour in range(60):
        pinged(3600 * (hour + 1), made, 3600 * hour)
        assert made.liveness(3600 * (hour + 1)) is Liveness.UNTRADED
    market.open = True
    opened = 3600 * 60
    assert made.liveness(opened + 10) is Liveness.FINE
    made.message(PING, opened + 60)
    assert made.liveness(opened + 120) is Liveness.FINE  # the mute clock runs from the opening on
    made.message(PING, opened + 300)
    assert made.liveness(opened + 305) is Liveness.RESUBSCRIBE


def test_one_quiet_symbol_is_no_fault_while_another_trades() -> None:
    made = protocol()
    for minute in range(1, 600):
        made.message(trades("AAPL"), minute * 60)
        assert made.liveness(minute * 60 + 59) is Liveness.FINE
    assert made.unseen == ["MSFT"]


def test_a_rejected_symbol_is_asked_for_again_with_growing_waits_and_never_dropped() -> None:
    made = protocol()
    made.outgoing(0.0), made.outgoing(1.0)
    waits, at = [], 1.0
    for _ in range(7):
        (event,) = made.message(b'{"type":"error","msg":"Invalid symbol MSFT"}', at)
        assert isinstance(event, SymbolRejected)
        assert event.symbols == ("MSFT",)
        waits.append(event.retry_in_s)
        assert made.outgoing(at + event.retry_in_s - 0.1) == []
        at += event.retry_in_s
        assert subscriptions(made.outgoing(at)) == ["MSFT"]
    assert waits == [30, 60, 120, 240, 300, 300, 300]
    made.message(trades("MSFT"), at)
    assert made.seen == {"MSFT"}
    assert made.outgoing(at + 10_000) == []


def test_a_symbol_that_stays_rejected_for_weeks_is_still_asked_for() -> None:
    made, at = protocol(), 0.0
    for _ in range(1100):
        (event,) = made.message(b'{"type":"error","msg":"Invalid symbol MSFT"}', at)
        at += 300.0
    assert isinstance(event, SymbolRejected)
    assert event.retry_in_s == 300


def test_a_feed_that_stays_mute_for_weeks_is_still_reconnected() -> None:
    made, at = protocol(), 0.0
    for _ in range(1100):
        for expected in (Liveness.RESUBSCRIBE, Liveness.MUTE):
            at += 3601.0
            made.message(PING, at)
            assert made.liveness(at) is expected
        made.connected(at)


def test_an_error_without_the_symbol_is_laid_to_what_was_just_asked_for() -> None:
    made = protocol()
    made.outgoing(0.0), made.outgoing(1.0)
    made.message(trades("AAPL"), 2.0)
    assert made.message(b'{"type":"error","msg":"Invalid symbol"}', 3.0) == [
        SymbolRejected(("MSFT",), "Invalid symbol", 30.0)
    ]
    assert made.message(b'{"type":"error","msg":"Invalid symbol"}', 300.0) == [ErrorSeen("Invalid symbol")]


def error(text: str) -> bytes:
    return json.dumps({"msg": text, "type": "error"}).encode()


SYMBOLS = ("AAPL", "IC MARKETS:7", "aapl", "msft", 'A"B', "foo.", "OANDA:EUR_USD")


@pytest.mark.parametrize(
    ("text", "blamed"),
    [
        ("Invalid symbol IC MARKETS:7", ("IC MARKETS:7",)),
        ("Invalid symbol: IC MARKETS:7", ("IC MARKETS:7",)),
        ("Invalid symbol IC", ()),
        ("Invalid symbol AAPL", ("AAPL",)),
        ("Invalid symbol MSFT", ("msft",)),
        ("Invalid symbol 'OANDA:EUR_USD'.", ("OANDA:EUR_USD",)),
        ('Invalid symbol A"B', ('A"B',)),
        ("Invalid symbol foo.", ("foo.",)),
        ("Invalid symbol TSLA", ()),
        ("invalid symbols", ()),
        ("Subscribing to too many symbols", ()),
        ("You don't have access to this symbol", ()),
        ("Invalid symbol", SYMBOLS),
    ],
)
def test_an_error_is_laid_to_the_symbol_that_it_names_alone(text: str, blamed: tuple[str, ...]) -> None:
    made = Protocol(SYMBOLS, 50, 300.0, Market())
    made.connected(0.0)
    for tenth in range(10):
        made.outgoing(tenth / 10)
    (event,) = made.message(error(text), 1.0)
    assert (event.symbols if isinstance(event, SymbolRejected) else ()) == blamed
    assert made.rejected_symbols == dict.fromkeys(blamed, text)


def test_too_many_symbols_is_the_plans_limit_and_rejects_none() -> None:
    made = protocol()
    made.outgoing(0.0), made.outgoing(1.0)
    assert made.message(error("Subscribing to too many symbols"), 1.1) == [
        PlanLimitReached("Subscribing to too many symbols")
    ]
    assert (made.rejected_symbols, made.plan_limit) == ({}, "Subscribing to too many symbols")
    assert made.outgoing(1000.0) == []
    made.connected(1001.0)
    assert made.plan_limit is None


def test_a_symbol_is_listed_as_rejected_until_it_is_asked_for_again_and_not_rejected() -> None:
    made = protocol()
    made.outgoing(0.0), made.outgoing(1.0)
    made.message(error("Invalid symbol MSFT"), 1.0)
    made.connected(5.0)
    assert made.rejected_symbols == {"MSFT": "Invalid symbol MSFT"}
    made.outgoing(5.0), made.outgoing(5.1)
    made.message(error("Invalid symbol MSFT"), 5.2)
    assert subscriptions(made.outgoing(35.2)) == ["MSFT"]
    made.outgoing(36.0)
    assert "MSFT" in made.rejected_symbols
    made.outgoing(46.0)
    assert made.rejected_symbols == {}
    made.message(error("Invalid symbol MSFT"), 47.0)
    made.message(trades("MSFT"), 48.0)
    assert made.rejected_symbols == {}


@pytest.mark.parametrize(
    "payload", [b'{"type":"error"}', b'{"type":"error","msg":null}', b'{"type":"error","msg":"Too many requests"}']
)
def test_other_errors_are_told_and_change_nothing(payload: bytes) -> None:
    made = protocol()
    made.outgoing(0.0)
    (event,) = made.message(payload, 1.0)
    assert isinstance(event, ErrorSeen)


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (PING, "ping"),
        (b'{"type":"news","data":[{}]}', "news"),
        (b'{"type":"trade"}', "empty"),
        (b'{"type":"trade","data":null}', "empty"),
        (b'{"type":"trade","data":[]}', "empty"),
        (b"{}", "untyped"),
        (b"[]", "untyped"),
        (b"garbage \xff", "malformed"),
    ],
)
def test_every_other_message_is_counted_proves_life_and_is_no_data(payload: bytes, kind: str) -> None:
    made = protocol()
    made.message(payload, 125.0)
    assert made.kinds == {kind: 1}
    assert made.liveness(200.0) is Liveness.FINE
    assert made.received == 0


def test_whole_frames_repeated_byte_for_byte_are_flagged_not_dropped() -> None:
    made = protocol()
    first, second = trades("AAPL"), trades("MSFT")
    for payload in (first, first, second, first, PING, PING):
        made.message(payload, 1.0)
    assert made.repeated == 2
    assert made.received == 4


@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([
    PING, b'{"type":"error","msg":"Invalid symbol AAPL"}', b'{"type":"trade","data":[{"s":["x"]},{"s":{}},3,null]}',
    b'{"type":["trade"]}', b'{"type":"trade","data":[{"s":"AAPL"}],"replay":7}'])), max_size=20))  # fmt: skip
def test_no_sequence_of_messages_breaks_it(payloads: list[bytes]) -> None:
    made = protocol()
    for at, payload in enumerate(payloads):
        made.message(payload, float(at))
        made.outgoing(float(at))
        made.liveness(float(at))
    assert sum(made.kinds.values()) == len(payloads)
