"""The drill's vendor and its letterbox, over real sockets."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from market_pipeline.alerts.message import notice
from market_pipeline.alerts.slack import Slack
from market_pipeline.drill.letterbox import CHANNEL, TOKEN, Letterbox
from market_pipeline.drill.vendor import Vendor
from market_pipeline.feed import transport
from market_pipeline.feed.secrecy import Secrecy

SYMBOL = "BINANCE:BTCUSDT"


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    made = Vendor(rate=500)
    yield made
    made.close()


@contextmanager
def subscribed(vendor: Vendor) -> Iterator[ClientConnection]:
    with connect(vendor.url, compression=None, open_timeout=20) as connection:
        connection.send(json.dumps({"type": "subscribe", "symbol": SYMBOL}))
        yield connection


def hears(connection: ClientConnection, kind: str, within_s: float = 20.0) -> bool:
    """Whether a message of that kind comes in time."""
    try:
        while True:
            if json.loads(connection.recv(timeout=within_s))["type"] == kind:
                return True
    except TimeoutError:
        return False


def test_a_mute_vendor_pings_those_who_are_there_and_trades_with_whoever_comes(vendor: Vendor) -> None:
    with subscribed(vendor) as connection:
        assert hears(connection, "trade")
        vendor.player.mute()
        assert hears(connection, "ping")
        said = [json.loads(connection.recv(timeout=20))["type"] for _ in range(2)]
        assert set(said) == {"ping"}
    with subscribed(vendor) as again:
        assert hears(again, "trade")


def test_a_cut_ends_connections_and_lets_none_in_until_it_listens_again(vendor: Vendor) -> None:
    port = vendor.port
    with subscribed(vendor) as connection:
        assert hears(connection, "trade")
        vendor.cut()
        with pytest.raises(ConnectionClosed):
            hears(connection, "nothing more")
    with pytest.raises(ConnectionRefusedError), connect(vendor.url, open_timeout=5):
        pass
    vendor.listen()
    assert vendor.port == port
    with subscribed(vendor) as again:
        assert hears(again, "trade")


def test_a_refused_key_is_401_and_a_good_one_is_let_in(vendor: Vendor) -> None:
    vendor.refuse(True)
    with pytest.raises(InvalidStatus) as refused, connect(vendor.url, open_timeout=20):
        pass
    assert refused.value.response.status_code == 401
    vendor.refuse(False)
    with subscribed(vendor) as connection:
        assert hears(connection, "trade")


def test_the_letterbox_takes_what_slack_would() -> None:
    letterbox = Letterbox()
    try:
        slack = Slack(TOKEN, letterbox.url)
        ts = slack.post(CHANNEL, "mark", notice("🔴 P1 something"))
        slack.edit(CHANNEL, ts, "mark", notice("✅ P1 something"))
        slack.post(CHANNEL, "reply", notice("over"), ts)
        assert slack.find(CHANNEL, "no such mark") is None
        assert [(each.text, each.thread_ts) for each in letterbox.letters] == [("🔴 P1 something", None), ("over", ts)]
    finally:
        letterbox.close()


def test_the_producers_own_connection_is_let_in(vendor: Vendor) -> None:
    connection = transport.connect(vendor.url, "a-key", Secrecy("a-key"))
    connection.close()


def test_a_browsers_page_is_not_let_in(vendor: Vendor) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(vendor.url, origin=Origin("https://elsewhere.example")):
        pass
    assert refused.value.response.status_code == 403
