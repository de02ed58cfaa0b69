"""The vendor's quotes: asked over a real socket, and only while its stream is silent and a stock market is open."""

import json
import socket
from pathlib import Path

import pytest
from pydantic import SecretStr

from market_pipeline.feed import quote
from market_pipeline.feed.producer import Producer
from market_pipeline.feed.quote import ASK_EVERY_S, SILENT_S, Quotes, ask_quote
from market_pipeline.feed.secrecy import Secrecy
from market_pipeline.settings import LOOPBACK, Settings
from market_pipeline_tests.rest_server import rest_server

KEY = "canary0key"
T0 = 1_800_000_000.0


@pytest.fixture(autouse=True)
def _no_proxy_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", LOOPBACK)


def test_a_quote_tells_when_the_vendor_last_saw_a_trade_and_the_key_is_in_no_address() -> None:
    body = json.dumps({"c": 230.1, "d": 1.2, "h": 231, "l": 229, "o": 229.5, "pc": 228.9, "t": 1_800_000_000}).encode()
    with rest_server(body=body) as (address, asked):
        assert ask_quote(address, KEY, "BRK.B") == T0
        assert ask_quote(address, KEY, "A&token=x") == T0
    assert asked == [("/quote?symbol=BRK.B", KEY), ("/quote?symbol=A%26token%3Dx", KEY)]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"t": 1800000000}', 401),
        (b'{"t": 1800000000}', 429),
        (b'{"t": 0}', 200),  # a symbol that it does not know
        (b'{"t": null}', 200),
        (b'{"t": NaN}', 200),
        (b'{"t": Infinity}', 200),
        (b'{"t": "soon"}', 200),
        (b'{"t": ' + b"9" * 400 + b"}", 200),
        (b"{}", 200),
        (b"[]", 200),
        (b"<html>", 200),
        (b"\xff\xfe", 200),
        (b"[" * 9_000, 200),
        (b"", 200),
    ],
)
def test_what_is_no_quote_tells_nothing(body: bytes, status: int) -> None:
    with rest_server(status, body=body) as (address, _):
        assert ask_quote(address, KEY, "AAPL") is None


def test_a_redirect_does_not_get_the_key() -> None:
    with rest_server(body=b'{"t": 1}') as (elsewhere, asked_there), rest_server(302, elsewhere) as (address, asked):
        assert ask_quote(address, KEY, "AAPL") is None
    assert (len(asked), asked_there) == (1, [])


@pytest.mark.parametrize("key", ["line\nbreak", "schlüssel-ß-€"])
def test_an_odd_key_is_no_crash(key: str) -> None:
    with rest_server(body=b'{"t": 1}') as (address, _):
        assert ask_quote(address, key, "AAPL") in (None, 1.0)


def test_a_vendor_that_never_answers_is_not_waited_for(refusing_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask_quote(f"http://{LOOPBACK}:{refusing_port}", KEY, "AAPL") is None
    assert quote.ANSWER_WITHIN_S <= 2.0
    monkeypatch.setattr(quote, "ANSWER_WITHIN_S", 0.2)
    with socket.create_server((LOOPBACK, 0)) as silent:
        assert ask_quote(f"http://{LOOPBACK}:{silent.getsockname()[1]}", KEY, "AAPL") is None


class Desk:
    """Quotes with a clock, a stream, a market and a vendor of ours."""

    def __init__(self, *symbols: str) -> None:
        self.now = T0
        self.newest_ms: int | None = None
        self.busy = True
        self.trades: dict[str, float | None] = {}
        self.asked: list[str] = []
        self.quotes = Quotes(self.ask, symbols, lambda: self.newest_ms, lambda symbol: self.busy, lambda: self.now)

    def ask(self, symbol: str) -> float | None:
        self.asked.append(symbol)
        return self.trades.get(symbol)

    def after(self, seconds: float) -> "Desk":
        self.now += seconds
        self.quotes.ask_next()
        return self


def test_it_asks_only_while_the_stream_is_silent_and_of_stocks() -> None:
    desk = Desk("BINANCE:BTCUSDT", "AAPL", "OANDA:EUR_USD", "MSFT")
    assert desk.after(SILENT_S - 1).asked == []
    assert desk.after(1).after(ASK_EVERY_S).after(ASK_EVERY_S).asked == ["AAPL", "MSFT", "AAPL"]
    desk.newest_ms = int(desk.now * 1000)
    assert len(desk.after(SILENT_S - 1).asked) == 3
    desk.busy = False
    assert len(desk.after(ASK_EVERY_S).asked) == 3
    crypto = Desk("BINANCE:BTCUSDT")
    assert crypto.after(9_000).asked == []


def test_of_several_symbols_the_newest_trade_is_told_and_forgotten_when_trades_come() -> None:
    desk = Desk("AAPL", "MSFT", "GOOGL")
    desk.trades = {"AAPL": T0 - 900, "MSFT": T0 - 20, "GOOGL": None}
    assert desk.quotes.told() is None
    desk.after(SILENT_S)
    first = {"symbol": "AAPL", "traded_at": T0 - 900, "asked_at": desk.now, "asked": 1}
    assert desk.quotes.told() == first
    desk.after(ASK_EVERY_S)
    second = {"symbol": "MSFT", "traded_at": T0 - 20, "asked_at": desk.now, "asked": 2}
    assert desk.quotes.told() == second
    assert desk.after(ASK_EVERY_S).quotes.told() == second  # no answer is none: the moment stays that of the last one
    desk.newest_ms = int(desk.now * 1000)
    assert desk.after(ASK_EVERY_S).quotes.told() is None


def test_the_producer_has_it_in_its_heartbeat_where_there_is_a_key(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path, feed="finnhub", finnhub_api_key=SecretStr(KEY))
    producer = Producer(settings, ("AAPL",), KEY, Secrecy(KEY))
    assert producer.quotes is not None
    assert producer.detail()["quote"] is None
    producer.journal.close()
    simulator = Producer(settings.model_copy(update={"feed": "simulator"}), ("AAPL",), None, Secrecy(None))
    assert simulator.quotes is None
    assert simulator.detail()["quote"] is None
