"""How a frame lies in a segment: bytes in, bytes out. Pure.

A segment is a header (magic and the feed's name) and records. A record is a marker, the payload's length, a CRC-32 over
receive time and payload, the receive time, and the payload; integers are little-endian. The marker is not valid UTF-8,
so that it cannot occur in a message, and a reader finds its way again behind a damaged record.
"""

import struct
import zlib
from typing import NamedTuple

MAGIC = b"MPJRNL01"
MARKER = b"\xf1MPJ"
_SEGMENT_HEADER = struct.Struct("<8s24s")
_RECORD_HEADER = struct.Struct("<4sIIQ")
_RECEIVED_AT = struct.Struct("<Q")
SEGMENT_HEADER_BYTES = _SEGMENT_HEADER.size
RECORD_HEADER_BYTES = _RECORD_HEADER.size


class Frame(NamedTuple):
    """One message as it left the socket.

    Attributes:
        received_at: epoch microseconds UTC, strictly increasing within a journal.
        payload: the bytes, whatever they are.
        source: the feed they came from: finnhub, simulator or replay; empty when the segment's header is damaged.
    """

    received_at: int
    payload: bytes
    source: str = ""


class Parsed(NamedTuple):
    """What a stretch of bytes held.

    Attributes:
        frames: the intact frames, in order.
        consumed: bytes up to which everything is known; what follows is an incomplete record, or damaged.
        torn: damaged stretches that were passed over.
    """

    frames: list[Frame]
    consumed: int
    torn: int


def segment_header(source: str) -> bytes:
    """The first bytes of a segment."""
    return _SEGMENT_HEADER.pack(MAGIC, source.encode()[:24])


def source_of(header: bytes) -> str:
    """The feed named in a segment's header, empty when the header is not one."""
    if len(header) < SEGMENT_HEADER_BYTES or not header.startswith(MAGIC):
        return ""
    return header[len(MAGIC) : SEGMENT_HEADER_BYTES].rstrip(b"\0").decode("utf-8", "replace")


def encode_frame(received_at: int, payload: bytes) -> bytes:
    """The record of one frame."""
    return _RECORD_HEADER.pack(MARKER, len(payload), _checksum(received_at, payload), received_at) + payload


def parse_frames(buffer: bytes, source: str, start: int = 0) -> Parsed:
    """Every intact frame in ``buffer`` from ``start`` on; damaged stretches are passed over and counted."""
    frames: list[Frame] = []
    position, torn = start, 0
    while True:
        found = _record_at(buffer, position, source)
        if found is None:
            following = _next_record(buffer, position + 1)
            if following < 0:
                return Parsed(frames, position, torn)
            torn += 1
            position = following
            continue
        frames.append(found)
        position += RECORD_HEADER_BYTES + len(found.payload)


def _record_at(buffer: bytes, position: int, source: str) -> Frame | None:
    if position + RECORD_HEADER_BYTES > len(buffer):
        return None
    marker, length, checksum, received_at = _RECORD_HEADER.unpack_from(buffer, position)
    begin = position + RECORD_HEADER_BYTES
    if marker != MARKER or begin + length > len(buffer):
        return None
    payload = bytes(buffer[begin : begin + length])
    return Frame(received_at, payload, source) if _checksum(received_at, payload) == checksum else None


def _next_record(buffer: bytes, position: int) -> int:
    while (position := buffer.find(MARKER, position)) >= 0:
        if _record_at(buffer, position, ""):
            return position
        position += 1
    return -1


def _checksum(received_at: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_RECEIVED_AT.pack(received_at)))
