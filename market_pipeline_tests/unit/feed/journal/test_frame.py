"""A frame's bytes: whatever is cut off or damaged, everything else is still there, and nothing is invented."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_pipeline.feed.journal import frame as frame_module
from market_pipeline.feed.journal.frame import (
    MARKER,
    MAX_PAYLOAD_BYTES,
    Frame,
    _checksum,
    encode_frame,
    parse_frames,
    segment_header,
    source_of,
)

payloads = st.lists(st.one_of(st.binary(max_size=60), st.just(b""), st.just(MARKER * 3)), max_size=8)


def frames_of(contents: list[bytes]) -> list[Frame]:
    return [Frame(1_000 + index, payload, "finnhub") for index, payload in enumerate(contents)]


@given(payloads)
def test_what_was_written_is_read(contents: list[bytes]) -> None:
    frames = frames_of(contents)
    buffer = b"".join(encode_frame(f.received_at, f.payload) for f in frames)
    parsed = parse_frames(buffer, "finnhub")
    assert (parsed.frames, parsed.consumed, parsed.torn) == (frames, len(buffer), 0)


@given(payloads, st.data())
def test_torn_at_any_byte_only_the_torn_frame_is_missing(contents: list[bytes], data: st.DataObject) -> None:
    frames = frames_of(contents)
    records = [encode_frame(f.received_at, f.payload) for f in frames]
    buffer = b"".join(records)
    cut = data.draw(st.integers(0, len(buffer)))
    whole = 0
    while whole < len(records) and sum(map(len, records[: whole + 1])) <= cut:
        whole += 1
    parsed = parse_frames(buffer[:cut], "finnhub")
    assert parsed.frames == frames[:whole]
    assert parsed.consumed == sum(map(len, records[:whole]))


@pytest.mark.parametrize("payload", [b"", b'{"type":"ping"}', MARKER, b"\xf1\0"])
def test_every_bit_of_a_record_is_checked(payload: bytes) -> None:
    record = encode_frame(1_000, payload)
    for bit in range(len(record) * 8):
        damaged = bytearray(record)
        damaged[bit // 8] ^= 1 << bit % 8
        assert parse_frames(bytes(damaged), "finnhub").frames == []


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=6), st.data())
def test_one_damaged_byte_costs_at_most_the_frame_it_is_in(contents: list[bytes], data: st.DataObject) -> None:
    frames = frames_of(contents)
    records = [encode_frame(f.received_at, f.payload) for f in frames]
    buffer = bytearray(b"".join(records))
    at = data.draw(st.integers(0, len(buffer) - 1))
    buffer[at] ^= data.draw(st.integers(1, 255))
    hit, end = 0, len(records[0])
    while end <= at:
        hit += 1
        end += len(records[hit])
    parsed = parse_frames(bytes(buffer), "finnhub")
    assert parsed.frames == frames[:hit] + frames[hit + 1 :]
    assert parsed.torn == 1 or hit == len(frames) - 1


def test_the_segment_header_tells_the_feed() -> None:
    assert source_of(segment_header("simulator")) == "simulator"
    assert source_of(segment_header("simulator")[:10]) == ""
    assert source_of(b"x" * 32) == ""


class Counted(bytes):
    """Bytes that count how many of them are searched."""

    searched = 0

    def find(self, part: bytes, start: int = 0, end: int | None = None) -> int:  # type: ignore[override]
        end = len(self) if end is None else min(end, len(self))
        found = super().find(part, start, end)
        Counted.searched += max(0, (found if found >= 0 else end) - start)
        return found


def work_of(buffer: bytes, monkeypatch: pytest.MonkeyPatch) -> int:
    """Bytes that are searched or checksummed to read it."""
    Counted.searched = summed = 0

    def checksum(length: int, received_at: int, stored: bytes) -> int:
        nonlocal summed
        summed += len(stored)
        return _checksum(length, received_at, stored)

    with monkeypatch.context() as patch:
        patch.setattr(frame_module, "_checksum", checksum)
        parse_frames(Counted(buffer), "finnhub")
    return Counted.searched + summed


def fake_header(length: int) -> bytes:
    return MARKER + length.to_bytes(4, "little") + b"\0" * 12


DAMAGED = {
    "markers": lambda size: MARKER * (size // 4),
    "headers of records as long as the rest": lambda size: b"".join(
        fake_header(size - 20 * n) for n in range(1, size // 20)
    ),
    "headers of short records": lambda size: fake_header(8) * (size // 20),
    "headers of one record's length": lambda size: fake_header(size // 2) * (size // 20),
    "one header and nothing": lambda size: fake_header(size) + b"\0" * size,
    "zeros": lambda size: b"\0" * size,
    "every record's checksum is wrong": lambda size: b"".join(
        encode_frame(n, b"x" * 80)[:8] + b"\0\0\0\0" + encode_frame(n, b"x" * 80)[12:] for n in range(size // 100)
    ),
    "every other record is damaged": lambda size: b"".join(
        encode_frame(n, b"x" * 80)[: 50 if n % 2 else None] for n in range(size // 100)
    ),
    "a first record as long as the rest, and whole ones": lambda size: (
        fake_header(size) + b"".join(encode_frame(n, b"x" * 80) for n in range(size // 100))
    ),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_however_a_segment_is_damaged_the_work_of_reading_it_grows_with_its_size(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = (DAMAGED[kind](size) for size in (20_000, 320_000))
    for buffer in (small, large):
        assert work_of(buffer, monkeypatch) <= 3 * len(buffer) + 1000


@given(st.lists(st.one_of(st.binary(max_size=40), st.just(MARKER), st.just(fake_header(2))), max_size=8).map(b"".join))
def test_no_payload_holds_a_marker_as_it_is_stored(payload: bytes) -> None:
    record = encode_frame(7, payload)
    assert record.find(MARKER, 1) == -1
    assert parse_frames(record, "finnhub").frames == [Frame(7, payload, "finnhub")]


@given(st.lists(st.binary(max_size=30), max_size=6), st.data())
def test_read_in_pieces_of_any_size_a_segment_holds_the_same(contents: list[bytes], data: st.DataObject) -> None:
    buffer = bytearray(b"".join(encode_frame(n, payload) for n, payload in enumerate(contents)))
    if buffer and data.draw(st.booleans()):
        buffer[data.draw(st.integers(0, len(buffer) - 1))] ^= 0xFF
    whole = parse_frames(bytes(buffer), "finnhub")
    rest, frames, torn, damaged = b"", list[Frame](), 0, False
    while buffer:
        size = data.draw(st.integers(1, 50))
        rest, buffer = rest + bytes(buffer[:size]), buffer[size:]
        parsed = parse_frames(rest, "finnhub", damaged=damaged)
        frames, torn = frames + parsed.frames, torn + parsed.torn
        damaged = parsed.pending > parsed.consumed or (damaged and not parsed.frames)
        rest = rest[parsed.pending :]
    assert (frames, torn) == (whole.frames, whole.torn)


def test_a_frame_that_no_record_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        encode_frame(1, b"\xf1MPJ" + b"\xf1" * (MAX_PAYLOAD_BYTES // 2))
    assert len(encode_frame(1, b"\xf1" * MAX_PAYLOAD_BYTES)) > MAX_PAYLOAD_BYTES
