"""A frame's bytes: whatever is cut off or damaged, everything else is still there, and nothing is invented."""

from hypothesis import given, settings
from hypothesis import strategies as st

from market_pipeline.feed.journal.frame import (
    MARKER,
    Frame,
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
