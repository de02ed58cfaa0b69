"""The receiver against a real websocket server: how each of the vendor's habits is met."""

import errno
import json
import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection

from market_pipeline.feed import finnhub as protocol_module
from market_pipeline.feed.backoff import Backoff
from market_pipeline.feed.disconnect import Reason
from market_pipeline.feed.finnhub import Protocol
from market_pipeline.feed.gap_recorder import GapRecorder
from market_pipeline.feed.gaps import Gap, GapBook, GapRow
from market_pipeline.feed.journal import Journal, read_frames
from market_pipeline.feed.journal.retention import has_forgotten
from market_pipeline.feed.receiver import KeyRefused, Receiver
from market_pipeline.feed.secrecy import Secrecy
from market_pipeline.feed.transport import connect
from market_pipeline_tests.unit.feed.conftest import FakeFinnhub, element, trade_message
from market_pipeline_tests.unit.feed.test_transport import status
from market_pipeline_tests.waiting import wait_for

SYMBOLS = ("AAPL", "BINANCE:BTCUSDT")


@dataclass
class Rig:
    """A receiver in a thread, with its journal and its gaps."""

    directory: Path
    url: str
    mute_after_s: float = 300.0
    open_market: bool = True
    waits: list[float] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    failure: BaseException | None = None

    def start(self) -> "Rig":
        self.journal = Journal(self.directory / "journal", "finnhub")
        self.gaps_file = self.directory / "gaps.json"
        gaps = GapRecorder(self.gaps_file, self.cannot_store)
        self.protocol = Protocol(SYMBOLS, 50, self.mute_after_s, lambda symbol: self.open_market)
        self.backoff = Waits(self.waits)
        connecting = partial(connect, self.url, "canary", Secrecy("canary"), 5.0)
        self.receiver = Receiver(connecting, self.protocol, self.journal, gaps, self.backoff)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def stop(self) -> None:
        self.stopped.set()
        self.thread.join(10)
        assert not self.thread.is_alive()

    @property
    def reasons(self) -> list[str]:
        return [gap.reason for gap in self.gaps]

    @property
    def gaps(self) -> list[Gap]:
        """Those of a feed that went down; what was before it listened is ``start``."""
        book = GapBook(self.gaps_file)
        every = [*book.closed, *([book.open] if book.open else [])]
        return [gap for gap in every if gap.reason != str(Reason.START)]

    @property
    def start_gaps(self) -> list[Gap]:
        return [gap for gap in GapBook(self.gaps_file).closed if gap.reason == str(Reason.START)]

    @staticmethod
    def cannot_store(rows: list[GapRow]) -> None:
        raise ConnectionError("no database")

    def _run(self) -> None:
        try:
            self.receiver.run(self.stopped)
        except BaseException as error:
            self.failure = error


class Waits(Backoff):
    """Remembers how long it would have waited, and doesn't."""

    def __init__(self, waits: list[float]) -> None:
        super().__init__(lambda: 0.5)
        self.waits = waits

    def next(self, retry_after_s: float | None = None) -> float:
        self.waits.append(super().next(retry_after_s))
        return 0.01


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture
def rig(tmp_path: Path, finnhub: FakeFinnhub) -> Iterator[Rig]:
    made = Rig(tmp_path, finnhub.url)
    yield made
    made.stop()


def subscribed(finnhub: FakeFinnhub) -> Callable[[], bool]:
    seen = len(finnhub.subscribed)
    return lambda: len(finnhub.subscribed[seen - 1]) == len(SYMBOLS)


def send_then_listen(*messages: str) -> Callable[[FakeFinnhub, ServerConnection], None]:
    def script(server: FakeFinnhub, connection: ServerConnection) -> None:
        server.listen_to(connection, subscribed(server))
        for message in messages:
            connection.send(message)
        server.listen_to(connection)

    return script


def test_every_message_is_in_the_journal_as_it_came(rig: Rig, finnhub: FakeFinnhub) -> None:
    messages = [trade_message(element(s)) for s in SYMBOLS] + ['{"type":"ping"}', "garbage", '{"type":"new"}']
    finnhub.script = send_then_listen(*messages)
    rig.start()
    wait_for(lambda: rig.receiver.state.frames == 5, "five messages")
    assert [frame.payload.decode() for frame in read_frames(rig.journal.directory)] == messages
    assert (rig.protocol.seen, rig.protocol.received) == (set(SYMBOLS), 2)
    assert finnhub.paths == ["/?token=canary"]


def test_a_ping_is_a_message_and_no_trade(rig: Rig, finnhub: FakeFinnhub) -> None:
    finnhub.script = send_then_listen('{"type":"ping"}', trade_message(element("AAPL")), '{"type":"ping"}')
    rig.start()
    wait_for(lambda: rig.receiver.state.frames == 3, "both pings and the trade")
    _, trade, last = (frame.received_at / 1e6 for frame in read_frames(rig.journal.directory))
    assert (rig.receiver.state.last_trade_at, rig.receiver.state.last_received_at) == (trade, last)


def test_after_a_reconnect_everything_is_subscribed_again_and_proven_anew(rig: Rig, finnhub: FakeFinnhub) -> None:
    def script(server: FakeFinnhub, connection: ServerConnection) -> None:
        server.listen_to(connection, subscribed(server))
        connection.send(trade_message(element("AAPL")))
        if len(server.subscribed) < 3:
            connection.close(1012)
        server.listen_to(connection)

    finnhub.script = script
    rig.start()
    wait_for(lambda: len(finnhub.subscribed) == 3 and rig.receiver.state.frames == 3, "three connections")
    assert finnhub.subscribed == [list(SYMBOLS)] * 3
    assert rig.protocol.unseen == ["BINANCE:BTCUSDT"]
    assert finnhub.most_open == 1  # never two sockets at once
    assert rig.waits == [1.5, 1.5]  # each time data came, so each time the first wait
    assert rig.reasons == [str(Reason.CLOSED)] * 2
    assert all(gap.ended_at and gap.symbols == SYMBOLS for gap in rig.gaps)


@pytest.mark.parametrize("code", [401, 403])
def test_a_refused_key_stops_with_one_clear_line(rig: Rig, finnhub: FakeFinnhub, code: int) -> None:
    finnhub.answer = status(code)  # type: ignore[assignment]
    rig.start()
    rig.thread.join(10)
    assert isinstance(rig.failure, KeyRefused)
    assert str(rig.failure).count("\n") == 0
    assert "FINNHUB_API_KEY" in str(rig.failure)
    assert str(code) in str(rig.failure)
    assert len(finnhub.paths) == 1


def test_429_waits_as_long_as_the_server_says_and_no_storm(rig: Rig, finnhub: FakeFinnhub) -> None:
    finnhub.answer = status(429, Retry_After="120")  # type: ignore[assignment]
    rig.start()
    wait_for(lambda: len(rig.waits) >= 3, "three tries")
    assert all(wait >= 120 for wait in rig.waits)
    assert rig.reasons == [str(Reason.RATE_LIMITED)]


def test_a_close_right_after_connecting_says_key_in_use_elsewhere_and_backs_off(
    rig: Rig, finnhub: FakeFinnhub, caplog: pytest.LogCaptureFixture
) -> None:
    finnhub.script = lambda server, connection: connection.close()
    rig.start()
    wait_for(lambda: len(rig.waits) >= 5, "five tries")
    assert rig.waits[:5] == sorted(rig.waits[:5])
    assert rig.waits[4] > 10  # only data resets, not being accepted
    assert "key in use elsewhere" in caplog.text
    last = rig.receiver.state.last_disconnect
    assert last is not None
    assert last["reason"] == "key in use elsewhere"


def cut_off(server: FakeFinnhub, connection: ServerConnection) -> None:
    connection.send(trade_message(element()))
    connection.close(1012)


@pytest.mark.parametrize(
    ("script", "answer", "reason"),
    [
        (cut_off, None, Reason.CLOSED),
        (lambda server, connection: connection.close(), None, Reason.KEY_IN_USE),
        (None, status(429), Reason.RATE_LIMITED),
        (None, status(503), Reason.BAD_ANSWER),
    ],
)
def test_log_heartbeat_and_gap_name_the_same_cause_of_a_reconnect(
    rig: Rig,
    finnhub: FakeFinnhub,
    caplog: pytest.LogCaptureFixture,
    script: Callable[[FakeFinnhub, ServerConnection], None] | None,
    answer: Callable[[ServerConnection, Request], Response | None] | None,
    reason: Reason,
) -> None:
    finnhub.script = script or finnhub.script
    finnhub.answer = answer or finnhub.answer
    rig.start()
    wait_for(lambda: len(rig.waits) >= 2, "two tries")
    assert rig.receiver.state.last_disconnect is not None
    assert rig.receiver.state.last_disconnect["reason"] == str(reason)
    assert rig.reasons[0] == str(reason)
    assert f"feed: {reason}" in caplog.text


def test_a_half_open_socket_is_noticed(rig: Rig, finnhub: FakeFinnhub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server answers websocket pings and sends nothing."""
    finnhub.script = send_then_listen(trade_message(element()))
    rig.start()
    first = wait_for(lambda: next(read_frames(rig.journal.directory), None), "the first frame")
    monkeypatch.setattr(protocol_module, "DEAD_AFTER_S", 0.4)
    wait_for(lambda: len(finnhub.subscribed) >= 2, "a second connection")
    gap = rig.gaps[0]
    assert gap.reason == str(Reason.DEAD)
    assert gap.started_at == first.received_at  # down since it was last heard, not since it was noticed


def test_connected_but_mute_is_noticed_subscribed_again_and_reconnected(rig: Rig, finnhub: FakeFinnhub) -> None:
    def script(server: FakeFinnhub, connection: ServerConnection) -> None:
        connection.send(trade_message(element()))
        server.listen_to(connection)

    finnhub.script = script
    rig.mute_after_s = 0.5
    rig.start()
    wait_for(lambda: len(finnhub.subscribed) >= 2, "a second connection")
    assert finnhub.subscribed[0] == [*SYMBOLS, *SYMBOLS]
    gap = rig.gaps[0]
    assert gap.reason == str(Reason.MUTE)
    assert gap.started_at == next(read_frames(rig.journal.directory)).received_at


def test_a_feed_that_is_mute_from_the_first_connection_on_is_down_since_then(rig: Rig, finnhub: FakeFinnhub) -> None:
    rig.mute_after_s = 0.5
    rig.start()
    wait_for(lambda: len(finnhub.subscribed) >= 3, "a third connection")
    first, second = rig.gaps[:2]
    (start,) = rig.start_gaps
    assert first.reason == second.reason == str(Reason.MUTE)
    assert first.started_at == start.ended_at  # when it was first subscribed
    assert second.started_at == first.ended_at


def test_a_mute_feed_is_down_since_its_market_is_busy_not_since_its_last_trade(rig: Rig, finnhub: FakeFinnhub) -> None:
    finnhub.script = send_then_listen(trade_message(element()))
    rig.mute_after_s, rig.open_market = 0.5, False
    rig.start()
    wait_for(lambda: rig.receiver.state.frames == 1, "the trade")
    closed_until = time.monotonic() + 0.5
    wait_for(lambda: time.monotonic() > closed_until, "a closed market")
    opened_us = time.time_ns() // 1000
    rig.open_market = True
    wait_for(lambda: len(finnhub.subscribed) >= 2, "a second connection")
    gap = rig.gaps[0]
    assert gap.reason == str(Reason.MUTE)
    assert gap.started_at > next(read_frames(rig.journal.directory)).received_at + 100_000
    assert gap.started_at <= opened_us


def test_a_broken_connection_was_down_since_its_last_message(rig: Rig, finnhub: FakeFinnhub) -> None:
    """As after a cut cable or a suspended machine: the error comes long after the last message."""

    def script(server: FakeFinnhub, connection: ServerConnection) -> None:
        server.listen_to(connection, subscribed(server))
        connection.send(trade_message(element()))
        silent_until = time.monotonic() + 0.5
        server.listen_to(connection, lambda: time.monotonic() > silent_until)
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.socket.close()

    finnhub.script = script
    rig.start()
    wait_for(lambda: rig.gaps, "a down-time")
    gap = rig.gaps[0]
    assert gap.reason in {str(Reason.ERROR), str(Reason.CLOSED)}
    assert gap.started_at == next(read_frames(rig.journal.directory)).received_at


def test_a_quiet_market_is_not_mistaken_for_a_mute_feed(rig: Rig, finnhub: FakeFinnhub) -> None:
    rig.mute_after_s, rig.open_market = 0.2, False
    finnhub.script = send_then_listen('{"type":"ping"}')
    rig.start()
    wait_for(lambda: rig.receiver.state.frames == 1, "the ping")
    quiet_until = time.monotonic() + 1.2
    wait_for(lambda: time.monotonic() > quiet_until, "six times the limit")
    assert (len(finnhub.subscribed), finnhub.subscribed[0]) == (1, list(SYMBOLS))


def test_a_rejected_symbol_does_not_end_the_others(
    rig: Rig, finnhub: FakeFinnhub, caplog: pytest.LogCaptureFixture
) -> None:
    finnhub.script = send_then_listen(
        '{"type":"error","msg":"Invalid symbol AAPL"}', trade_message(element("BINANCE:BTCUSDT"))
    )
    rig.start()
    wait_for(lambda: rig.protocol.seen == {"BINANCE:BTCUSDT"}, "the other symbol")
    assert "AAPL rejected" in caplog.text
    assert "asked for again in 30 s" in caplog.text


def test_a_burst_cut_in_the_middle_loses_nothing_that_was_sent(rig: Rig, finnhub: FakeFinnhub) -> None:
    def script(server: FakeFinnhub, connection: ServerConnection) -> None:
        if len(server.subscribed) > 1:
            return server.listen_to(connection)
        server.listen_to(connection, subscribed(server))
        for n in range(2000):
            connection.send(trade_message(element(price=n + 1)))
        return connection.close(1001)

    finnhub.script = script
    rig.start()
    wait_for(lambda: len(finnhub.subscribed) == 2, "the second connection")
    prices = [json.loads(frame.payload)["data"][0]["p"] for frame in read_frames(rig.journal.directory)]
    assert prices == list(range(1, 2001))


def test_a_full_disk_stops_reading_with_one_line_and_goes_on_when_there_is_room(
    rig: Rig, finnhub: FakeFinnhub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("market_pipeline.feed.receiver._DISK_RETRY_S", 0.05)
    messages = [trade_message(element(price=n + 1)) for n in range(50)]
    finnhub.script = send_then_listen(*messages)
    write, full = os.write, threading.Event()

    def maybe_full(descriptor: int, data: bytes) -> int:
        if full.is_set() and bytes(data[:4]) == b"\xf1MPJ":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", maybe_full)
    full.set()
    caplog.set_level(logging.INFO)
    rig.start()
    wait_for(lambda: rig.receiver.state.journal_error, "the full disk")
    tries = time.monotonic() + 0.3
    wait_for(lambda: time.monotonic() > tries, "some tries")
    full.clear()
    wait_for(lambda: rig.receiver.state.frames == 50, "all messages")
    assert [frame.payload.decode() for frame in read_frames(rig.journal.directory)] == messages
    assert caplog.text.count("free disk space") == 1
    assert caplog.text.count("reading goes on") == 1
    assert rig.receiver.state.journal_error is None
    (gap,) = rig.gaps
    assert gap.reason == str(Reason.JOURNAL_FULL)
    assert gap.ended_at is not None
    assert gap.ended_at - gap.started_at > 200_000


def test_on_a_full_disk_the_oldest_confirmed_frames_make_room_and_no_other(
    rig: Rig, finnhub: FakeFinnhub, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = rig.directory / "journal"
    before = Journal(directory, "finnhub", segment_bytes=500)
    old = [before.append(b"%0100d" % n) for n in range(200)]
    before.confirm(old[149].received_at, 150, old[150].received_at)
    before.close()

    def used() -> int:
        return sum(path.stat().st_size for path in directory.iterdir())

    write, size_of_disk = os.write, used() + 300

    def small_disk(descriptor: int, data: bytes) -> int:
        if bytes(data[:3]) in (b"\xf1MP", b"MPJ") and used() + len(data) > size_of_disk:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", small_disk)
    messages = [trade_message(element(price=n + 1)) for n in range(50)]
    finnhub.script = send_then_listen(*messages)
    rig.start()
    wait_for(lambda: rig.receiver.state.frames == 50, "all messages")
    kept = list(read_frames(directory))
    assert [frame.payload.decode() for frame in kept[-50:]] == messages
    assert kept[-100:-50] == old[150:]
    assert 50 < len(kept) - 50 < 200
    assert kept[:-50] == old[-(len(kept) - 50) :]
    assert has_forgotten(directory)
    assert rig.receiver.state.journal_error is None
    assert str(Reason.JOURNAL_FULL) not in rig.reasons


def test_a_clean_stop_keeps_what_was_on_its_way_and_opens_a_gap(rig: Rig, finnhub: FakeFinnhub) -> None:
    finnhub.script = send_then_listen(trade_message(element()))
    rig.start()
    wait_for(lambda: rig.receiver.state.frames == 1, "a message")
    rig.stop()
    (gap,) = rig.gaps
    assert (gap.reason, gap.ended_at) == (str(Reason.STOPPED), None)


def test_a_server_that_closes_as_we_stop_is_no_failure(
    rig: Rig, finnhub: FakeFinnhub, caplog: pytest.LogCaptureFixture
) -> None:
    def close_with_us(server: FakeFinnhub, connection: ServerConnection) -> None:
        server.listen_to(connection, subscribed(server))
        rig.stopped.set()
        connection.close(1001)

    finnhub.script = close_with_us
    rig.start()
    wait_for(lambda: not rig.thread.is_alive(), "the end")
    assert rig.reasons == [str(Reason.STOPPED)]
    assert rig.waits == []
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_the_time_a_killed_producer_was_down_is_a_gap(rig: Rig, finnhub: FakeFinnhub) -> None:
    rig.directory.mkdir(exist_ok=True)
    left = Journal(rig.directory / "journal", "finnhub", clock=lambda: 1_700_000_000_000_000).append(b"{}")
    rig.start()
    wait_for(lambda: all(gap.ended_at for gap in rig.gaps) and rig.receiver.state.connected_since, "the connection")
    (gap,) = rig.gaps
    assert (gap.reason, gap.started_at) == ("producer down", left.received_at)


def test_a_first_start_in_the_middle_of_a_minute_makes_its_bar_incomplete(rig: Rig, finnhub: FakeFinnhub) -> None:
    """No down-time came before it, but nobody listened since midnight either."""
    before = time.time_ns() // 1000
    rig.start()
    wait_for(lambda: rig.start_gaps, "the gap before the start")
    (gap,) = rig.start_gaps
    assert (gap.symbols, gap.started_at % 86_400_000_000) == (SYMBOLS, 0)
    assert gap.ended_at is not None
    assert gap.started_at < before <= gap.ended_at
    assert rig.gaps == []


def test_500_reconnects_leave_nothing_behind(rig: Rig, finnhub: FakeFinnhub) -> None:
    ends: list[Callable[[ServerConnection], None]] = [
        lambda connection: connection.close(),
        lambda connection: connection.close(1011, "an error"),
        lambda connection: connection.socket.shutdown(socket.SHUT_RDWR),
        lambda connection: connection.socket.sendall(b"\xff\x00"),
    ]
    finnhub.script = lambda server, connection: ends[len(server.subscribed) % len(ends)](connection)
    rig.start()
    wait_for(lambda: len(finnhub.subscribed) >= 20, "the first connections")
    threads, files = threading.active_count(), open_files()
    wait_for(lambda: len(finnhub.subscribed) >= 520, "500 more", within_s=400)
    assert rig.receiver.state.reconnects >= 500
    rig.stop()
    assert rig.failure is None
    # the server's own side of a few connections is still closing
    wait_for(lambda: threading.active_count() <= threads and open_files() <= files, "their end")
