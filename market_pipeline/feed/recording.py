"""A recording: Finnhub messages, one a line, or segments of a journal. What to play, and when each message is due."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from market_pipeline.feed.journal import read_frames
from market_pipeline.feed.journal.reader import Damaged, unheeded
from market_pipeline.feed.journal.segment import segment_of
from market_pipeline.feed.recorded import REPLAY, identity_time
from market_pipeline.mendable import Mendable

logger = logging.getLogger(__name__)
RECEIVED_AT = "received_at"
"""The extra key of a recorded message: the receive time that its trades' identity comes from (epoch microseconds)."""


class RecordingError(Mendable):
    """There is no recording to play; the message is one line with the cure."""


class Message(NamedTuple):
    """One message of a recording.

    Attributes:
        payload: as the feed sent it.
        due: its place in time, epoch microseconds: of its receipt if that was recorded, else of its newest trade.
        received_at: where its trades' identity comes from, epoch microseconds; strictly increasing.
        trades: how many elements it has.
        symbols: what they are about.
    """

    payload: bytes
    due: int
    received_at: int
    trades: int
    symbols: frozenset[str]


def messages(file: Path | None, since: int = 0, damaged: Damaged = unheeded) -> Iterator[Message]:
    """The messages of a recording, in order.

    Args:
        file: the recording.
        since: of a journal, frames that were received earlier (epoch µs) are left out.
        damaged: is told of a journal's damaged segments.

    Raises:
        RecordingError: no file was named, or it isn't there or can't be read.
    """
    last = due = 0
    for payload, recorded_at in _payloads(_existing(file), damaged, since):
        message = _object(payload)
        elements = _elements(message)
        newest = max((t for e in elements if type(t := e.get("t")) is int), default=0) * 1000
        due = recorded_at or newest or due
        last = max(last + 1, due, 1)
        yield Message(payload, due, last, len(elements), frozenset(_symbols(elements)))


def symbols_in(file: Path | None) -> tuple[str, ...]:
    """Every symbol that the recording holds, in order of appearance; what is damaged in it is told in the log.

    Raises:
        RecordingError: no file was named, it isn't there, or it holds no trade.
    """
    check_playable(file)
    payloads = _payloads(_existing(file), _tell)
    return tuple(dict.fromkeys(s for payload, _ in payloads for s in _symbols(_elements(_object(payload)))))


def check_playable(file: Path | None) -> None:
    """Read up to the first trade.

    Raises:
        RecordingError: no file was named, it isn't there or can't be read, or it holds no trade.
    """
    if not any(symbol for payload, _ in _payloads(_existing(file)) for symbol in _symbols(_elements(_object(payload)))):
        raise RecordingError(f"{file} holds no trade: a recording is Finnhub messages, one a line, or journal segments")


def recorded_line(payload: bytes, source: str, received_at: int) -> bytes:
    """A journal's frame as a line of a recording; what isn't a JSON object goes without its receive time."""
    message = _object(payload)
    text = payload.strip()
    if not message or b"\n" in text:
        return text.replace(b"\n", b" ")
    identity = identity_time(message, source, received_at)
    if REPLAY in message:  # cut off the mark: the replayer put it at the end
        text = text[: text.rindex(f'"{REPLAY}":'.encode())].rstrip(b", ") + b"}"
    if RECEIVED_AT in message:
        return text
    body = text[:-1].rstrip()
    return body + (b"" if body == b"{" else b",") + f'"{RECEIVED_AT}":{identity}}}'.encode()


def _existing(file: Path | None) -> Path:
    if file is None:
        raise RecordingError("the feed replay needs a file: --replay-file FILE, or MARKET_PIPELINE_REPLAY_FILE")
    try:
        file.stat()
    except FileNotFoundError:
        raise RecordingError(f"there is no recording {file}: name a file of Finnhub messages, one a line") from None
    except OSError as error:
        raise RecordingError(f"the recording {file} can't be read: {error.strerror}") from None
    return file


def _tell(segment: Path, stretches: int) -> None:
    logger.warning("%s has %d damaged stretches: what was in them is not played", segment, stretches)


def _payloads(where: Path, damaged: Damaged = unheeded, since: int = 0) -> Iterator[tuple[bytes, int]]:
    """Each message with its recorded receive time, 0 when there is none."""
    try:
        if where.is_dir() or segment_of(where):
            for frame in read_frames(where, since, damaged):
                yield frame.payload, identity_time(_object(frame.payload), frame.source, frame.received_at)
            return
        with where.open("rb") as lines:
            for line in lines:
                if payload := line.strip():
                    recorded_at = _object(payload).get(RECEIVED_AT)
                    yield payload, recorded_at if type(recorded_at) is int and recorded_at > 0 else 0
    except OSError as error:
        raise RecordingError(f"the recording {where} can't be read: {error.strerror}") from None


def _object(payload: bytes) -> dict[str, Any]:
    try:
        message = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def _elements(message: dict[str, Any]) -> list[dict[str, Any]]:
    data = message.get("data")
    return [element for element in data if isinstance(element, dict)] if isinstance(data, list) else []


def _symbols(elements: list[dict[str, Any]]) -> Iterator[str]:
    return (symbol for element in elements if isinstance(symbol := element.get("s"), str))
