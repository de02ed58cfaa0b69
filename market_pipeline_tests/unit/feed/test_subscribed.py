"""Trades of symbols that nobody subscribed are dead letters, for the producer and for later readers of the journal."""

import json
from pathlib import Path

import pytest

from market_pipeline.feed import recording
from market_pipeline.feed.journal import Frame, Journal, read_frames
from market_pipeline.feed.normalise import DeadLetter, Normaliser, trades_of
from market_pipeline.feed.players import Client, ReplayPlayer
from market_pipeline.feed.producer import Producer
from market_pipeline.feed.recording import symbols_in
from market_pipeline.feed.secrecy import Secrecy
from market_pipeline.feed.subscribed import FILE_NAME, Subscribed, load_subscribed, note_subscribed
from market_pipeline.model import Rejection, Trade
from market_pipeline.settings import Settings
from market_pipeline_tests.unit.feed.conftest import element, trade_message

NOW_US = 1_763_000_000_000_000


def payload(*symbols: str) -> bytes:
    return trade_message(*(element(symbol, ts=NOW_US // 1000) for symbol in symbols)).encode()


def outcome(items: list[Trade | DeadLetter]) -> list[str]:
    return [item.symbol if isinstance(item, Trade) else str(item.reason) for item in items]


def test_a_symbol_that_nobody_subscribed_costs_its_own_element_alone() -> None:
    normaliser = Normaliser("finnhub", Subscribed(0, {"aapl": 0, "oanda:eur_usd": 0}))
    got = normaliser.items(Frame(NOW_US, payload("AAPL", "TSLA", "aapl", "OANDA:EUR_USD"), "finnhub"))
    assert outcome(got) == ["AAPL", "not_subscribed", "aapl", "OANDA:EUR_USD"]
    assert normaliser.rejected == {Rejection.NOT_SUBSCRIBED: 1}
    assert isinstance(got[1], DeadLetter)
    assert got[1].detail == "nobody subscribed TSLA"
    assert json.loads(got[1].value)["s"] == "TSLA"


def test_a_vendor_that_invents_symbols_fills_no_memory() -> None:
    normaliser = Normaliser("finnhub", Subscribed(0, {"aapl": 0}))
    for n in range(3000):
        normaliser.items(Frame(NOW_US + n, payload(f"S{n}"), "finnhub"))
    assert normaliser.trades == 0
    assert not normaliser._sequence._seen


def test_each_frame_is_judged_by_what_was_subscribed_when_it_came(tmp_path: Path) -> None:
    clock = iter(range(NOW_US, NOW_US + 10**6, 10))
    journal = Journal(tmp_path, "finnhub", clock=lambda: next(clock))
    journal.append(payload("A", "B"))  # before this version noted anything
    note_subscribed(tmp_path, ["A"], journal.last + 1)
    journal.append(payload("A", "B"))
    note_subscribed(tmp_path, ["B"], journal.last + 1)  # a restart with other symbols
    journal.append(payload("A", "B", "C"))
    want = ["A", "B", "A", "not_subscribed", "A", "B", "not_subscribed"]
    assert outcome(list(trades_of(read_frames(tmp_path), "finnhub", load_subscribed(tmp_path)))) == want
    before = (tmp_path / FILE_NAME).read_bytes()
    note_subscribed(tmp_path, ["A", "B"], journal.last + 1)
    assert (tmp_path / FILE_NAME).read_bytes() == before
    journal.close()


def test_the_vendor_may_answer_in_capitals_and_in_no_other_way(tmp_path: Path) -> None:
    noted = note_subscribed(tmp_path, ["binance:btcusdt", "OANDA:EUR_USDs"], NOW_US)
    accepted = ("binance:btcusdt", "BINANCE:BTCUSDT", "OANDA:EUR_USDs", "OANDA:EUR_USDS")
    refused = ("Binance:btcusdt", "binance:btcu\u017fdt", "OANDA:EUR_USD\u017f", "oanda:eur_usds")
    for found in (noted, load_subscribed(tmp_path)):
        assert [found.has(symbol, NOW_US) for symbol in (*accepted, *refused)] == [True] * 4 + [False] * 4


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"since":"x","symbols":{}}', b'{"since":1,"symbols":[]}'])
def test_where_nothing_is_known_nothing_is_refused(tmp_path: Path, damage: bytes) -> None:
    assert load_subscribed(tmp_path).has("A", NOW_US)
    (tmp_path / FILE_NAME).write_bytes(damage)
    assert load_subscribed(tmp_path).has("A", NOW_US)
    noted = note_subscribed(tmp_path, ["A"], NOW_US)
    assert load_subscribed(tmp_path) == noted
    assert [noted.has(*each) for each in (("A", NOW_US), ("B", NOW_US), ("B", NOW_US - 1))] == [True, False, True]


def test_the_producer_of_a_live_feed_takes_what_it_subscribes_alone(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path, feed="finnhub")
    for symbols, other in ((("AAPL", "MSFT"), "TSLA"), (("TSLA",), "NVDA")):
        producer = Producer(settings, symbols, "key", Secrecy("key"))
        frame = producer.journal.append(payload("AAPL", other))
        assert outcome(producer.forwarder.normalised(frame)) == ["AAPL", "not_subscribed"]
        producer.journal.close()


def test_a_recording_of_too_many_symbols_plays_the_rest_into_dead_letters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recording, "MAX_SYMBOLS", 3)
    file = tmp_path / "r.jsonl"
    file.write_text("\n".join(payload(*symbols).decode() for symbols in ("AB", "CD", "EA", "E")) + "\n")
    assert symbols_in(file) == ("A", "B", "C")
    assert "more than 3 symbols" in caplog.text
    sent: list[bytes] = []
    ReplayPlayer(file, 0.0, once=True).play(Client(sent.append, frozenset("ABC")))
    normaliser = Normaliser("replay", note_subscribed(tmp_path, symbols_in(file), 1))
    items = [normaliser.items(Frame(NOW_US + n, message, "replay")) for n, message in enumerate(sent)]
    assert [outcome(each) for each in items] == [
        ["A", "B"],
        ["C", "not_subscribed"],
        ["not_subscribed", "A"],
        ["not_subscribed"],
    ]
