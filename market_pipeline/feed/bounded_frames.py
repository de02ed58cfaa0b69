"""Reads websocket frames with bounded memory and time, where websocket-client takes whatever length a server names.

Of a message that is too large only the beginning is kept, and the rest is read and dropped: the connection goes on with
the next one. A call never lasts much longer than its time, however slowly a frame comes in.
"""

import time
from typing import Any

import websocket
from websocket._abnf import ABNF, continuous_frame, frame_buffer

from market_pipeline.feed.limits import KEPT_BYTES, MAX_MESSAGE_BYTES, cut_off

_PART_BYTES = 1 << 16
MAX_PARTS = 10_000
"""Frames of one message: empty ones would go on for ever."""


class BoundedFrames(frame_buffer):
    """One frame after the other.

    Args:
        receive: up to so many bytes from the socket.
        within_s: a frame that is not whole by then is gone on with by the next call.

    Attributes:
        last_length: bytes of payload that the last frame had, however many of them were kept.
    """

    def __init__(self, receive: Any, within_s: float) -> None:
        super().__init__(receive, skip_utf8_validation=True)
        self.last_length = 0
        self._within_s = within_s
        self._held = bytearray()
        self._dropped = 0

    def recv_strict(self, bufsize: int) -> bytes:
        """``bufsize`` bytes; of more than a message may have, the beginning.

        Raises:
            WebSocketTimeoutException: they have not all come yet; what came is kept.
        """
        deadline = time.monotonic() + self._within_s
        while (missing := bufsize - len(self._held) - self._dropped) > 0:
            if time.monotonic() > deadline:
                raise websocket.WebSocketTimeoutException("a frame that is not whole yet")
            self._held += self.recv(min(_PART_BYTES, missing))
            if bufsize > MAX_MESSAGE_BYTES and len(self._held) > KEPT_BYTES:
                self._dropped += len(self._held) - KEPT_BYTES
                del self._held[KEPT_BYTES:]
        got = bytes(self._held)
        self._held.clear()
        self._dropped = 0
        return got

    def recv_length(self) -> None:
        super().recv_length()
        self.last_length = self.length or 0


class BoundedMessages(continuous_frame):
    """Puts the frames of a message together."""

    def __init__(self, frames: BoundedFrames) -> None:
        super().__init__(fire_cont_frame=False, skip_utf8_validation=True)
        self._frames = frames
        self._data = bytearray()
        self._size = self._parts = 0

    def add(self, frame: ABNF) -> None:
        if not self.cont_data:
            self._data.clear()
            self._size = self._parts = 0
            self.recving_frames = frame.opcode
            self.cont_data = [frame.opcode, b""]
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise websocket.WebSocketProtocolException(f"a message of more than {MAX_PARTS} frames")
        self._data += frame.data if isinstance(frame.data, bytes) else frame.data.encode()
        self._size += self._frames.last_length
        if self._size > MAX_MESSAGE_BYTES:
            del self._data[KEPT_BYTES:]
        if frame.fin:
            self.recving_frames = None
            whole = bytes(self._data)
            self.cont_data[1] = cut_off(whole, self._size) if self._size > MAX_MESSAGE_BYTES else whole
