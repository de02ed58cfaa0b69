"""How a frame lies in a segment: bytes in, bytes out. Pure.

A segment is a header (magic and the feed's name) and records. A record is a marker, the payload's length, a CRC-32 over
receive time and payload as they are stored, the receive time, and the payload; integers are little-endian. A reader
finds its way again behind a damaged record by the marker, so no payload may hold one. It is not valid UTF-8, so that no
message of a feed does; bytes that do are stored escaped, and the length's highest bit says so, with which the checksum
starts. Therefore a record whose payload would reach over another marker is damaged, and needs no checksum to be found
out: the work of reading a segment grows with its size, however it is damaged.
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
MAX_PAYLOAD_BYTES = 32 << 20
"""Of a frame as it is stored: what is longer can't be a record. Messages are cut off long before (``feed.limits``)."""
_ESCAPED = 1 << 31
_FIRST = MARKER[:1]
_STUFFED = _FIRST + b"\0"


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
        pending: where a record may begin that is whole when more bytes come; what is before it is known or damaged.
    """

    frames: list[Frame]
    consumed: int
    torn: int
    pending: int = 0


def segment_header(source: str) -> bytes:
    """The first bytes of a segment."""
    return _SEGMENT_HEADER.pack(MAGIC, source.encode()[:24])


def source_of(header: bytes) -> str:
    """The feed named in a segment's header, empty when the header is not one."""
    if len(header) < SEGMENT_HEADER_BYTES or not header.startswith(MAGIC):
        return ""
    return header[len(MAGIC) : SEGMENT_HEADER_BYTES].rstrip(b"\0").decode("utf-8", "replace")


def encode_frame(received_at: int, payload: bytes) -> bytes:
    """The record of one frame.

    Raises:
        ValueError: the payload is longer than a record may be.
    """
    escaped = MARKER in payload
    stored = payload.replace(_FIRST, _STUFFED) if escaped else payload
    if len(stored) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"a frame of {len(stored)} bytes: a record has at most {MAX_PAYLOAD_BYTES}")
    length = len(stored) | (_ESCAPED if escaped else 0)
    return _RECORD_HEADER.pack(MARKER, length, _checksum(length, received_at, stored), received_at) + stored


def parse_frames(buffer: bytes, source: str, start: int = 0, *, damaged: bool = False) -> Parsed:
    """Every intact frame in ``buffer`` from ``start`` on; damaged stretches are passed over and counted.

    Args:
        buffer: bytes of a segment.
        source: the feed, for the frames.
        start: where a record begins.
        damaged: what came before ``start`` was passed over, and is not counted yet.
    """
    frames: list[Frame] = []
    position, known, torn = start, start, 0
    pending: int | None = None
    while position + RECORD_HEADER_BYTES <= len(buffer):
        end = _end_of_record(buffer, position)
        found = _record_at(buffer, position, end, source) if end is not None and end <= len(buffer) else None
        if found is not None and end is not None:
            torn += damaged or position > known
            damaged, pending = False, None
            frames.append(found)
            position = known = end
            continue
        if end is not None and end > len(buffer) and pending is None:
            pending = position
        position = buffer.find(MARKER, position + 1)
        if position < 0:
            position = max(known, len(buffer) - len(MARKER) + 1)
            break
    return Parsed(frames, known, torn, position if pending is None else pending)


def _end_of_record(buffer: bytes, position: int) -> int | None:
    """Where the record at ``position`` ends by its header, perhaps beyond the buffer; None when there is none."""
    marker, length, _, _ = _RECORD_HEADER.unpack_from(buffer, position)
    stored = length & ~_ESCAPED
    if marker != MARKER or stored > MAX_PAYLOAD_BYTES:
        return None
    begin = position + RECORD_HEADER_BYTES
    reaches_over = buffer.find(MARKER, begin, begin + stored) >= 0
    return None if reaches_over else begin + stored


def _record_at(buffer: bytes, position: int, end: int, source: str) -> Frame | None:
    _, length, checksum, received_at = _RECORD_HEADER.unpack_from(buffer, position)
    stored = bytes(buffer[position + RECORD_HEADER_BYTES : end])
    if _checksum(length, received_at, stored) != checksum:
        return None
    return Frame(received_at, stored.replace(_STUFFED, _FIRST) if length & _ESCAPED else stored, source)


def _checksum(length: int, received_at: int, stored: bytes) -> int:
    return zlib.crc32(stored, zlib.crc32(_RECEIVED_AT.pack(received_at), length >> 31))
