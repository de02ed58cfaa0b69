"""What a replayed message tells about its recording, so that playing it again has the same trades, not new ones.

The replayer adds one key to each message: ``"replay":{"run":…,"frame":…,"received_at":…}``: the replayer's process,
the message's place in the recording, and the receive time that the trades' identity comes from. The first two let a
restarted producer tell where to go on, exactly once, also after SIGKILL; the third makes trade_ids the same each time.
Real feeds have no such key, and it is believed from the replayer only.
"""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from market_pipeline.feed.journal.frame import Frame

REPLAY = "replay"
_MAX_TIME = 10**16


class Mark(NamedTuple):
    """Where a message stands in a replay.

    Attributes:
        run: one life of the replayer.
        frame: place in the recording, from 0; goes on counting when the recording is played in a loop.
        received_at: the receive time that identity comes from, epoch microseconds.
    """

    run: str
    frame: int
    received_at: int


def as_utf8(payload: bytes) -> bytes:
    """A message as the UTF-8 text of its JSON: without white space around it, byte-order mark, or another encoding.

    Bytes that are no text at all stay as they are.
    """
    try:
        return payload.decode(json.detect_encoding(payload), "surrogatepass").strip().encode("utf-8", "surrogatepass")
    except UnicodeError:
        return payload


def marked(payload: bytes, mark: Mark) -> bytes:
    """The message with its mark; what isn't a JSON object stays as it is."""
    text = as_utf8(payload)
    if not text.startswith(b"{") or not text.endswith(b"}"):
        return payload
    empty = not text[1:-1].strip()
    return text[:-1] + (b"" if empty else b",") + f'"{REPLAY}":{json.dumps(mark._asdict())}}}'.encode()


def mark_of(message: dict[str, Any]) -> Mark | None:
    """The mark of a parsed message; None when there is none, or it is not one."""
    try:
        mark = Mark(**message[REPLAY])
    except (KeyError, TypeError):
        return None
    if not isinstance(mark.run, str) or type(mark.frame) is not int or type(mark.received_at) is not int:
        return None
    return mark if 0 < mark.received_at < _MAX_TIME and mark.frame >= 0 else None


def resume_message(mark: Mark | None) -> str:
    """What a client tells the replayer before it subscribes: the last message that it has."""
    return json.dumps({"type": "resume", "after": mark._asdict() if mark else None})


def resume_frame(message: dict[str, Any], run: str) -> int | None:
    """The frame from which a replayer should go on; None when the client has nothing of this run."""
    try:
        mark = Mark(**message["after"])
    except (KeyError, TypeError):
        return None
    return mark.frame + 1 if mark.run == run and type(mark.frame) is int and mark.frame >= 0 else None


def last_mark(backwards: Iterable[Frame]) -> Mark | None:
    """The newest mark in a journal, given from its end; None when what came last is not from a replay."""
    for frame in backwards:
        if frame.source != REPLAY:
            return None
        try:
            message = json.loads(frame.payload)
        except (ValueError, RecursionError):
            continue
        if isinstance(message, dict) and (mark := mark_of(message)):
            return mark
    return None


def identity_time(message: dict[str, Any], source: str, received_at: int) -> int:
    """The time that the frame's trade_ids come from: of its receipt, or of its first receipt when it is replayed."""
    if source == REPLAY and REPLAY in message:
        mark = mark_of(message)
        if mark is not None:
            return mark.received_at
    return received_at
