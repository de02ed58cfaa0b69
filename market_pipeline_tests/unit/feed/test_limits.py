"""What is too large is cut off, kept as a dead letter and explained, at bounded memory; what follows it is taken."""

import gzip
import json
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from websockets.sync.server import ServerConnection, serve

from market_pipeline.feed.bounded_frames import MAX_PARTS
from market_pipeline.feed.disconnect import Disconnected
from market_pipeline.feed.finnhub import Liveness, MessageTooLarge, Protocol
from market_pipeline.feed.journal import Frame, Journal, read_frames
from market_pipeline.feed.journal import segment as segment_module
from market_pipeline.feed.journal.frame import MARKER, encode_frame, segment_header
from market_pipeline.feed.limits import (
    KEPT_BYTES,
    MAX_LINE_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_NESTING,
    Cut,
    cut_of,
    cut_off,
)
from market_pipeline.feed.normalise import MAX_ELEMENTS, WHOLE_FRAME, DeadLetter, Normaliser
from market_pipeline.feed.recorded import resume_message
from market_pipeline.feed.recording import messages
from market_pipeline.feed.replay import Replay
from market_pipeline.feed.secrecy import Secrecy
from market_pipeline.feed.transport import Connection, connect
from market_pipeline.model import Rejection, Trade, encode
from market_pipeline_tests.unit.feed.conftest import FakeFinnhub, element, trade_message

NOW_US = 1_763_000_000_000_000
MIB = 1 << 20


@contextmanager
def at_most(bytes_: int) -> Iterator[None]:
    """What Python allocates meanwhile, at its highest, is no more than that."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < bytes_, f"{peak / MIB:.1f} MiB"


def next_message(connection: Connection) -> bytes:
    while True:
        payload = connection.receive()
        if payload is not None:
            return payload


def sending(finnhub: FakeFinnhub, *contents: object) -> Connection:
    """A connection over which the server sends these, lists as fragments."""

    def script(server: FakeFinnhub, connection: ServerConnection) -> None:
        for content in contents:
            connection.send(content, text=True)  # type: ignore[arg-type]
        server.listen_to(connection)

    finnhub.script = script
    return connect(finnhub.url, "key", Secrecy("key"), 5.0)


LARGE = {
    "one byte too many": b"x" * (MAX_MESSAGE_BYTES + 1),
    "fragments of which none is too large": [b"y" * MIB] * (MAX_MESSAGE_BYTES // MIB) + [b"!"],
    "a large fragment and a small one": [b"z" * (MAX_MESSAGE_BYTES + 9), b"!"],
}


@pytest.mark.parametrize("large", LARGE)
def test_a_message_that_is_too_large_is_cut_off_and_the_next_one_comes(finnhub: FakeFinnhub, large: str) -> None:
    content = LARGE[large]
    size = len(content) if isinstance(content, bytes) else sum(map(len, content))
    connection = sending(finnhub, content, b'{"type":"ping"}', content, [b'{"type":', b'"ping"}'])
    whole = content if isinstance(content, bytes) else b"".join(content)
    for _ in range(2):
        assert cut_of(next_message(connection)) == Cut(size, whole[:KEPT_BYTES])
        assert next_message(connection) == b'{"type":"ping"}'
    connection.close()


def test_a_message_as_large_as_one_may_be_is_whole(finnhub: FakeFinnhub) -> None:
    connection = sending(finnhub, b"x" * MAX_MESSAGE_BYTES, [b"y" * MIB] * (MAX_MESSAGE_BYTES // MIB), b"")
    assert next_message(connection) == b"x" * MAX_MESSAGE_BYTES
    assert next_message(connection) == b"y" * MAX_MESSAGE_BYTES
    assert next_message(connection) == b""
    connection.close()


def in_fragments(connection: ServerConnection, part: bytes) -> None:
    connection.send(part for _ in range(64))


def in_one_frame(connection: ServerConnection, part: bytes) -> None:
    connection.socket.sendall(b"\x81\x7f" + (64 * MIB).to_bytes(8, "big"))
    for _ in range(64):
        connection.socket.sendall(part)


def assert_it_takes_flat_memory(finnhub: FakeFinnhub, sent: Callable[[ServerConnection, bytes], None]) -> None:
    part = b"x" * MIB

    def script(server: FakeFinnhub, connection: ServerConnection) -> None:
        connection.recv()
        sent(connection, part)
        server.listen_to(connection)

    finnhub.script = script
    connection = connect(finnhub.url, "key", Secrecy("key"), 5.0)
    with at_most(3 * MAX_MESSAGE_BYTES):
        connection.send("go")
        assert cut_of(next_message(connection)) == Cut(64 * MIB, part[:KEPT_BYTES])
    connection.close()


def test_a_message_of_any_size_takes_flat_memory(finnhub: FakeFinnhub) -> None:
    assert_it_takes_flat_memory(finnhub, in_fragments)


def test_a_frame_of_any_size_takes_flat_memory(finnhub: FakeFinnhub) -> None:
    assert_it_takes_flat_memory(finnhub, in_one_frame)


def test_a_message_of_frames_without_end_ends_the_connection(finnhub: FakeFinnhub) -> None:
    # the server adds an empty frame that says that it is the last
    connection = sending(finnhub, [b""] * (MAX_PARTS - 1), [b""] * MAX_PARTS)
    assert next_message(connection) == b""
    with pytest.raises(Disconnected, match=f"a message of more than {MAX_PARTS} frames"):
        next_message(connection)
    connection.close()


def test_a_frame_that_trickles_in_does_not_hold_up_the_reader(finnhub: FakeFinnhub) -> None:
    def trickle(server: FakeFinnhub, connection: ServerConnection) -> None:
        connection.socket.sendall(b"\x81\x7f" + (5 * MIB).to_bytes(8, "big"))
        while True:
            try:
                connection.socket.sendall(b"x")
                connection.recv(timeout=0.01)
            except TimeoutError:
                continue
            except Exception:
                return

    finnhub.script = trickle
    connection = connect(finnhub.url, "key", Secrecy("key"), 5.0)
    assert [connection.receive() for _ in range(4)] == [None] * 4  # so that the silence is seen, and ends it
    connection.close()


def test_compression_is_never_agreed_on_so_that_no_frame_unpacks_to_more_than_it_is() -> None:
    offers: list[str | None] = []

    def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        offers.append(connection.request.headers.get("Sec-WebSocket-Extensions"))
        connection.send("x" * 100_000)

    with serve(handle, "127.0.0.1", 0, compression="deflate") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        connection = connect(f"ws://127.0.0.1:{server.socket.getsockname()[1]}", None, Secrecy(None))
        assert next_message(connection) == b"x" * 100_000
        connection.close()
        server.shutdown()
    assert offers == [None]


def test_a_compressed_frame_that_nobody_asked_for_ends_the_connection(finnhub: FakeFinnhub) -> None:
    packed = zlib.compress(b"x" * 100_000)

    def script(server: FakeFinnhub, connection: ServerConnection) -> None:
        connection.socket.sendall(b"\xc1\x7e" + len(packed).to_bytes(2, "big") + packed)
        server.listen_to(connection)

    finnhub.script = script
    connection = connect(finnhub.url, "key", Secrecy("key"), 5.0)
    with pytest.raises(Disconnected, match="rsv"):
        next_message(connection)
    connection.close()


def test_what_was_cut_off_is_one_dead_letter_that_says_so(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "finnhub")
    journal.append(cut_off(b'{"data":[' + b"x" * KEPT_BYTES, 99 * MIB))
    (frame,) = read_frames(tmp_path)
    normaliser = Normaliser("finnhub")
    (letter,) = normaliser.items(frame)
    assert isinstance(letter, DeadLetter)
    assert (letter.reason, letter.index, len(letter.value)) == (Rejection.TOO_LARGE, WHOLE_FRAME, KEPT_BYTES)
    assert letter.value.startswith(b'{"data":[')
    assert str(99 * MIB) in letter.detail
    assert normaliser.rejected == {Rejection.TOO_LARGE: 1}
    protocol = Protocol(("AAPL",), 1, 300.0, lambda symbol: True)
    protocol.connected(0.0)
    assert protocol.message(frame.payload, 129.0) == [MessageTooLarge(99 * MIB)]
    assert protocol.kinds == {"too_large": 1}
    assert protocol.liveness(200.0) is Liveness.FINE


def test_a_recordings_line_without_end_is_cut_off_and_the_next_ones_are_played(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    good = [trade_message(element(price=n, ts=NOW_US // 1000 + n)) for n in (1, 2)]
    longest = trade_message(element(price=3, ts=NOW_US // 1000 + 3))
    longest = longest[:-1] + ',"x":"' + "x" * (MAX_LINE_BYTES - len(longest) - 7) + '"}'
    assert len(longest) == MAX_LINE_BYTES
    with file.open("w") as lines:
        lines.write(good[0] + "\n" + '{"type":"trade","x":"')
        for _ in range(40):
            lines.write("x" * MIB)
        lines.write('"}\n' + good[1] + "\n" + longest + "\n" + "y" * (MAX_LINE_BYTES + 5))
    with at_most(8 * MAX_MESSAGE_BYTES):
        found = [(cut_of(m.payload), m.trades) for m in messages(file)]
    assert [trades for _, trades in found] == [1, 0, 1, 1, 0]
    assert [cut.size for cut, _ in found if cut] == [40 * MIB + 24, MAX_LINE_BYTES + 5]
    sent = [due.payload for due in Replay(file, 0.0, True, "run").due(0)]
    assert max(map(len, sent)) <= MAX_MESSAGE_BYTES
    assert max(map(len, sent)) > MAX_LINE_BYTES
    assert len(resume_message(None)) < MAX_MESSAGE_BYTES


def test_a_gzip_that_unpacks_to_gigabytes_takes_flat_memory_and_little_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "0000000000000001.frames.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(segment_header("finnhub") + encode_frame(1, b"before"))
        file.write(MARKER + (1 << 30).to_bytes(4, "little") + bytes(12))  # as if all the rest were one record
        for _ in range(200):
            file.write(bytes(MIB))
        file.write(encode_frame(2, b"behind"))
    assert path.stat().st_size < MIB

    def read() -> tuple[list[bytes], list[int]]:
        damaged: list[int] = []
        return [each.payload for each in read_frames(tmp_path, 0, lambda _, n: damaged.append(n))], damaged

    with at_most(8 * MIB):
        assert read() == ([b"before", b"behind"], [1])
    monkeypatch.setattr(segment_module, "MAX_SEGMENT_BYTES", 10 * MIB)
    assert read() == ([b"before"], [1])  # what is beyond the limit is not even unpacked
    monkeypatch.setattr(segment_module, "MAX_SEGMENT_BYTES", 201 * MIB)
    assert read() == ([b"before", b"behind"], [1])


def test_a_damaged_gzip_gives_what_is_before_the_damage(tmp_path: Path) -> None:
    whole = segment_header("finnhub") + b"".join(encode_frame(n, b"%d" % n * 50) for n in range(1, 5000))
    packed = bytearray(gzip.compress(whole, 1))
    packed[len(packed) // 2] ^= 0xFF
    (tmp_path / "0000000000000001.frames.gz").write_bytes(packed)
    damaged: list[int] = []
    got = list(read_frames(tmp_path, 0, lambda _, n: damaged.append(n)))
    assert damaged
    assert len(got) > 1000
    assert all(frame.payload == b"%d" % frame.received_at * 50 for frame in got)


def nested(depth: int) -> str:
    """An element whose field x is that many lists in each other."""
    return json.dumps(element(ts=NOW_US // 1000))[:-1] + f',"x":{"[" * depth}{"]" * depth}}}'


def items(payload: str) -> list[Trade | DeadLetter]:
    return Normaliser("finnhub").items(Frame(NOW_US, payload.encode(), "finnhub"))


def deep_in_the_stack(depth: int, work: Callable[[], object]) -> object:
    return deep_in_the_stack(depth - 1, work) if depth else work()


@pytest.mark.parametrize("depth", [MAX_NESTING - 3, MAX_NESTING - 2, 300, 700, 980, 100_000])
def test_nesting_has_one_limit_wherever_the_stack_ends(depth: int) -> None:
    payload = '{"type":"trade","data":[' + nested(depth) + "]}"
    outcomes = [items(payload), deep_in_the_stack(400, lambda: items(payload))]
    assert [type(item) for item in outcomes[0]] == [Trade if depth < MAX_NESTING - 2 else DeadLetter]
    for (item,) in outcomes:  # type: ignore[misc]
        if isinstance(item, DeadLetter):
            assert (item.reason, item.value) == (Rejection.MALFORMED_JSON, payload.encode())


def test_elements_beyond_what_an_id_can_tell_apart_are_one_dead_letter() -> None:
    payload = '{"type":"trade","data":[' + ",".join(["0"] * (MAX_ELEMENTS + 3)) + "]}"
    got = items(payload)
    assert len(got) == MAX_ELEMENTS + 1
    assert isinstance(got[-1], DeadLetter)
    assert (got[-1].reason, got[-1].value, got[-1].index) == (Rejection.TOO_LARGE, b"0,0,0", MAX_ELEMENTS)


def test_no_size_of_conditions_fills_the_memory() -> None:
    def trade(n: int) -> Trade:
        one = Decimal(1)
        return Trade("A", one, one, 1, "id", 0, "finnhub", NOW_US, (f"{n:05d}" * 40_000,))

    encode(trade(0))
    with at_most(5 * MIB):
        for n in range(300):
            encode(trade(n))
