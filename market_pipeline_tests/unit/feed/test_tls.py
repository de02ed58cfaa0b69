"""``wss://`` over real TLS: what Finnhub's own address is."""

import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from websockets.sync.server import ServerConnection

from market_pipeline.feed.disconnect import Disconnected, Reason
from market_pipeline.feed.secrecy import Secrecy
from market_pipeline.feed.transport import connect
from market_pipeline.settings import LOOPBACK
from market_pipeline_tests.unit.feed.conftest import FakeFinnhub, element, trade_message
from market_pipeline_tests.unit.feed.test_transport import next_message
from market_pipeline_tests.waiting import wait_for

KEY = "k3y-of-a-test"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[FakeFinnhub]:
    """A server whose certificate ``authority`` has signed."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(LOOPBACK).configure_cert(tls)
    server = FakeFinnhub(tls)
    yield server
    server.close()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``authority`` is one that this machine trusts."""
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))


@pytest.mark.usefixtures("trusted")
def test_messages_of_every_size_arrive_over_tls(secure: FakeFinnhub) -> None:
    whole = trade_message(element())
    pause = threading.Event()

    def script(server: FakeFinnhub, connection: ServerConnection) -> None:
        connection.send(whole)
        pause.wait(10)
        connection.send("x" * 1_100_000)
        server.listen_to(connection)

    secure.script = script
    connection = connect(secure.url, KEY, Secrecy(KEY))
    assert next_message(connection) == whole.encode()
    assert connection.receive() is None  # the read's own timeout, which TLS words in another way
    pause.set()
    assert len(next_message(connection)) == 1_100_000
    connection.send('{"type":"subscribe","symbol":"AAPL"}')
    wait_for(lambda: secure.subscribed == [["AAPL"]], "the subscription")
    connection.close()
    assert secure.paths == [f"/?token={KEY}"]


def test_a_certificate_of_an_unknown_authority_is_refused_before_the_key_is_sent(secure: FakeFinnhub) -> None:
    with pytest.raises(Disconnected, match="certificate verify failed") as caught:
        connect(secure.url, KEY, Secrecy(KEY))
    assert caught.value.reason is Reason.UNREACHABLE
    assert KEY not in str(caught.value)
    assert secure.paths == []


@pytest.mark.usefixtures("trusted")
def test_a_server_that_does_not_speak_tls(finnhub: FakeFinnhub) -> None:
    with pytest.raises(Disconnected) as caught:
        connect(finnhub.url.replace("ws://", "wss://"), KEY, Secrecy(KEY), open_timeout_s=5)
    assert caught.value.reason is Reason.UNREACHABLE
    assert "SSL" in str(caught.value)
    assert KEY not in str(caught.value)
