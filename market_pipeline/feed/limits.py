"""How much of a message is taken in, and what becomes of one that is larger: its beginning, with its size. Pure.

Such a message goes into the journal as its beginning, in an envelope that tells so, and comes out as a dead letter. The
envelope is not valid UTF-8, so that it is no message of a feed.
"""

import struct
from typing import NamedTuple

MAX_MESSAGE_BYTES = 4 << 20
"""Of one message of a feed, all its websocket frames together. Finnhub's have a few KiB."""
MAX_LINE_BYTES = MAX_MESSAGE_BYTES - 1024
"""Of one message of a recording: the replayer adds its mark."""
KEPT_BYTES = 64 << 10
"""Of a message that is larger."""
MAX_NESTING = 32
"""Lists and objects within each other, in one message; Finnhub's have 4."""
_ENVELOPE = struct.Struct("<4sQ")
_MAGIC = b"\xf1CUT"


class Cut(NamedTuple):
    """A message that was too large: how many bytes it had, and the first ``KEPT_BYTES`` of them."""

    size: int
    beginning: bytes


def cut_off(beginning: bytes, size: int) -> bytes:
    """What the journal keeps of a message of ``size`` bytes, which is more than it may have."""
    return _ENVELOPE.pack(_MAGIC, size) + beginning[:KEPT_BYTES]


def cut_of(payload: bytes) -> Cut | None:
    """What ``cut_off`` made; None for any other bytes."""
    if not payload.startswith(_MAGIC) or len(payload) < _ENVELOPE.size:
        return None
    _, size = _ENVELOPE.unpack_from(payload)
    return Cut(size, payload[_ENVELOPE.size :])


def is_nested_too_deep(value: object) -> bool:
    """Whether parsed JSON has more than ``MAX_NESTING`` lists and objects within each other."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_NESTING):
        if not level:
            return False
        level = [
            part
            for container in level
            for part in (container.values() if isinstance(container, dict) else container)
            if isinstance(part, dict | list)
        ]
    return bool(level)
