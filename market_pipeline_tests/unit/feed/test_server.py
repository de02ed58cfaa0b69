"""The local feed, spoken to over a real websocket by the client that speaks to Finnhub."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as connect_as_a_browser
from websockets.typing import Origin

from market_pipeline.feed.disconnect import Disconnected
from market_pipeline.feed.players import Player, ReplayPlayer, SimulatorPlayer
from market_pipeline.feed.recorded import mark_of, resume_message
from market_pipeline.feed.secrecy import Secrecy
from market_pipeline.feed.server import FeedServer
from market_pipeline.feed.transport import Connection, connect
from market_pipeline.settings import LOOPBACK
from market_pipeline_tests.unit.feed.conftest import element, end_of, trade_message
from market_pipeline_tests.waiting import wait_for

T0 = 1_763_000_000_000
Serve = Callable[[Player], "Served"]


class Served:
    """A running feed and its address."""

    def __init__(self, player: Player, ping_every_s: float = 60.0) -> None:
        self.feed = FeedServer(player, ping_every_s)
        self.server = self.feed.listen(LOOPBACK, 0)
        self.url = f"ws://{LOOPBACK}:{self.server.socket.getsockname()[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def client(self, *symbols: str, resume: str | None = None) -> Connection:
        connection = connect(self.url, None, Secrecy(None))
        if resume is not None:
            connection.send(resume)
        for symbol in symbols:
            connection.send(json.dumps({"type": "subscribe", "symbol": symbol}))
        return connection


@pytest.fixture
def served() -> Iterator[Serve]:
    running: list[Served] = []

    def start(player: Player, ping_every_s: float = 60.0) -> Served:
        running.append(Served(player, ping_every_s))
        return running[-1]

    yield start
    for one in running:
        one.server.shutdown()


def received(connection: Connection, count: int, within_s: float = 20.0) -> list[bytes]:
    got: list[bytes] = []
    deadline = time.monotonic() + within_s
    while len(got) < count and time.monotonic() < deadline:
        payload = connection.receive()
        if payload is not None:
            got.append(payload)
    assert len(got) == count, f"{len(got)} of {count} messages"
    return got


def recording(path: Path, count: int, symbols: tuple[str, ...] = ("AAPL", "MSFT")) -> Path:
    lines = [trade_message(*(element(s, price=n + 1, ts=T0 + n) for s in symbols)) for n in range(count)]
    path.write_text("\n".join(lines) + "\n")
    return path


def prices(messages: list[bytes]) -> list[int]:
    return [json.loads(message)["data"][0]["p"] for message in messages]


def test_the_simulator_sends_only_what_was_subscribed(served: Serve) -> None:
    connection = served(SimulatorPlayer(2000, 1)).client("AAPL", "OANDA:EUR_USD")
    symbols = {e["s"] for message in received(connection, 50) for e in json.loads(message)["data"]}
    assert symbols == {"AAPL", "OANDA:EUR_USD"}
    connection.send('{"type":"unsubscribe","symbol":"AAPL"}')
    wait_for(lambda: b"AAPL" not in b"".join(received(connection, 20)), "no more AAPL")
    connection.close()


def test_invalid_symbols_and_messages_are_errors_in_the_vendors_form(served: Serve) -> None:
    connection = served(SimulatorPlayer(0.001, 1)).client("no such symbol!", "")
    for nonsense in ("not json", "[]", "7", '{"symbol":"A"}', '{"type":"dance"}'):
        connection.send(nonsense)
    errors = [json.loads(message) for message in received(connection, 7)]
    assert {error["type"] for error in errors} == {"error"}
    assert [error["msg"] for error in errors[:2]] == ["Invalid symbol no such symbol!", "Invalid symbol "]
    connection.close()


def test_pings_come_as_text_messages(served: Serve) -> None:
    connection = served(SimulatorPlayer(0.001, 1), 0.05).client("AAPL")  # type: ignore[call-arg]
    assert received(connection, 3) == [b'{"type":"ping"}'] * 3
    connection.close()


def test_a_second_connection_closes_the_first_as_the_vendor_does(served: Serve) -> None:
    feed = served(SimulatorPlayer(100, 1))
    first = feed.client("AAPL")
    received(first, 1)
    second = feed.client("AAPL")
    assert "newer connection" in end_of(first).detail
    received(second, 3)
    assert feed.feed.clients == 1
    second.close()
    wait_for(lambda: feed.feed.clients == 0, "the end of the second")


def test_a_replay_waits_for_the_subscriptions_and_sends_every_message_once(served: Serve, tmp_path: Path) -> None:
    player = ReplayPlayer(recording(tmp_path / "r.jsonl", 500), 0.0, once=True)
    connection = served(player).client("AAPL")
    assert connection.receive() is None  # MSFT is not subscribed yet
    assert player.played.messages == 0
    connection.send('{"type":"subscribe","symbol":"MSFT"}')
    assert prices(received(connection, 500)) == list(range(1, 501))
    wait_for(lambda: player.played.finished, "the end")
    assert connection.receive() is None  # and then it stays, quietly
    connection.close()


def test_a_replay_to_who_wants_less_leaves_out_the_rest(served: Serve, tmp_path: Path) -> None:
    connection = served(ReplayPlayer(recording(tmp_path / "r.jsonl", 20), 0.0, once=True)).client("MSFT")
    got = [json.loads(message) for message in received(connection, 20)]
    assert [[e["s"] for e in message["data"]] for message in got] == [["MSFT"]] * 20
    assert [mark.frame for message in got if (mark := mark_of(message))] == list(range(20))
    connection.close()


def test_a_killed_client_that_tells_what_it_has_gets_the_rest_exactly_once(served: Serve, tmp_path: Path) -> None:
    feed = served(ReplayPlayer(recording(tmp_path / "r.jsonl", 3000), 0.0, once=True))
    kept: list[bytes] = []
    resume = resume_message(None)
    for part in (7, 400, 1, 1000):
        connection = feed.client("AAPL", "MSFT", resume=resume)
        kept += received(connection, part)  # more was sent and is lost with the socket
        connection.close()
        resume = resume_message(mark_of(json.loads(kept[-1])))
    connection = feed.client("AAPL", "MSFT", resume=resume)
    kept += received(connection, 3000 - len(kept))
    assert prices(kept) == list(range(1, 3001))
    connection.close()


def test_a_client_of_an_earlier_run_gets_all_and_the_identities_are_the_same(served: Serve, tmp_path: Path) -> None:
    file = recording(tmp_path / "r.jsonl", 10)
    marks = []
    for _ in range(2):
        resume = resume_message(marks[-1] if marks else None)
        connection = served(ReplayPlayer(file, 0.0, once=True)).client("AAPL", "MSFT", resume=resume)
        marks += [mark for message in received(connection, 10) if (mark := mark_of(json.loads(message)))]
        connection.close()
    assert [mark.received_at for mark in marks[:10]] == [mark.received_at for mark in marks[10:]]
    assert marks[0].run != marks[10].run


def test_a_loop_goes_on_and_on_with_new_identities(served: Serve, tmp_path: Path) -> None:
    connection = served(ReplayPlayer(recording(tmp_path / "r.jsonl", 10), 0.0, once=False)).client("AAPL", "MSFT")
    marks = [mark for message in received(connection, 35) if (mark := mark_of(json.loads(message)))]
    assert [mark.frame for mark in marks] == list(range(35))
    assert len({mark.received_at for mark in marks}) == 35
    connection.close()


def test_a_replay_keeps_its_pace(served: Serve, tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text("\n".join(trade_message(element(ts=T0 + 200 * n)) for n in range(6)))
    began = time.monotonic()  # before the first one: a test that is held up would find the others waiting
    connection = served(ReplayPlayer(file, 2.0, once=True)).client("AAPL")
    assert len(received(connection, 6)) == 6
    assert time.monotonic() - began > 0.4  # the recording has a second of them
    connection.close()


def test_a_replay_at_full_speed_sends_everything(served: Serve, tmp_path: Path) -> None:
    symbols = tuple(f"S{n}" for n in range(20))
    feed = served(ReplayPlayer(recording(tmp_path / "r.jsonl", 2000, symbols), 0.0, once=True))
    connection = feed.client(*symbols)
    received(connection, 2000, within_s=60)
    wait_for(lambda: feed.feed.player.played.trades == 40_000, "the count")
    connection.close()


def test_the_server_ends_while_a_client_is_connected(served: Serve) -> None:
    feed = served(SimulatorPlayer(100, 1))
    connection = feed.client("AAPL")
    received(connection, 1)
    feed.server.shutdown()
    with pytest.raises(Disconnected):
        connect(feed.url, None, Secrecy(None), open_timeout_s=2)
    connection.close()


@pytest.mark.parametrize("origin", ["https://example.org", "null", f"http://{LOOPBACK}", "http://localhost:29000"])
def test_no_web_page_can_connect(served: Serve, origin: str) -> None:
    feed = served(SimulatorPlayer(100, 1))
    connection = feed.client("AAPL")
    received(connection, 1)
    with pytest.raises(InvalidStatus, match="403"):
        connect_as_a_browser(feed.url, origin=Origin(origin))
    received(connection, 5)  # nor does it close whoever is connected
    connection.close()


def test_an_element_that_is_no_object_is_played_to_who_wants_less(served: Serve, tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text('{"type":"trade","data":[7,null,{"s":"A","p":1},{"s":["A"]},{"s":"B","p":2}]}\n' * 3)
    connection = served(ReplayPlayer(file, 0.0, once=True)).client("A")
    got = [json.loads(message)["data"] for message in received(connection, 3)]
    assert got == [[7, None, {"s": "A", "p": 1}, {"s": ["A"]}]] * 3  # the producer says why they are none
    connection.close()
