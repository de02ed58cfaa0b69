"""A recording: Finnhub messages, one a line, or segments of a journal. What to play, and when each message is due.

A time in a recording counts only where it can be one: from the year 2000 to the moment of reading. One in microseconds,
nanoseconds or seconds, or of the far future, decides neither the pace nor an identity; its element is played like any
other, and the producer rejects it with the reason.
"""

import codecs
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from market_pipeline.feed.journal import read_frames
from market_pipeline.feed.journal.reader import Damaged, unheeded
from market_pipeline.feed.journal.segment import segment_of
from market_pipeline.feed.limits import KEPT_BYTES, MAX_LINE_BYTES, cut_off
from market_pipeline.feed.recorded import as_utf8, identity_time, mark_of, marked
from market_pipeline.feed.subscribed import MAX_SYMBOLS
from market_pipeline.mendable import Mendable
from market_pipeline.model import EARLIEST_TS_MS, MAX_KEY_CHARACTERS

logger = logging.getLogger(__name__)
RECEIVED_AT = "received_at"
"""The extra key of a recorded message: the receive time that its trades' identity comes from (epoch microseconds)."""


class RecordingError(Mendable):
    """There is no recording to play; the message is one line with the cure."""


class Message(NamedTuple):
    """One message of a recording.

    Attributes:
        payload: as the feed sent it.
        due: its place in time, epoch microseconds: of its receipt if that was recorded, else of its newest trade, else
            that of the message before, and for the first messages that of the first one that has a time.
        received_at: where its trades' identity comes from, epoch microseconds; strictly increasing.
        trades: how many elements it has.
        symbols: what they are about.
    """

    payload: bytes
    due: int
    received_at: int
    trades: int
    symbols: frozenset[str]


def messages(
    file: Path | None, since: int = 0, damaged: Damaged = unheeded, latest: int | None = None
) -> Iterator[Message]:
    """The messages of a recording, in order.

    Args:
        file: the recording.
        since: of a journal, frames that were received earlier (epoch µs) are left out.
        damaged: is told of a journal's damaged segments.
        latest: times after it (epoch µs) are taken for wrong; this moment when it is not given.

    Raises:
        RecordingError: no file was named, or it isn't there or can't be read.
    """
    where = _existing(file)
    latest = time.time_ns() // 1000 if latest is None else latest
    timed = (at for payload, received in _payloads(where, unheeded, since) if (at := _time(payload, received, latest)))
    due, last = next(timed, 0), 0
    for payload, received in _payloads(where, damaged, since):
        at = _time(payload, received, latest)
        due = at or due
        last = max(last + 1, at)
        elements = _elements(_object(payload))
        yield Message(payload, due, last, len(elements), frozenset(_symbols(elements)))


def _time(payload: bytes, received: int, latest: int) -> int:
    """When a message was received, else when its newest trade happened, epoch microseconds; 0 when neither is known."""
    if EARLIEST_TS_MS * 1000 <= received <= latest:
        return received
    times = (_whole_us(element.get("t")) for element in _elements(_object(payload)))
    return max((at for at in times if EARLIEST_TS_MS * 1000 <= at <= latest), default=0)


def _whole_us(ms: object) -> int:
    """Epoch milliseconds, which JSON may also write as 1.6e12, in microseconds; 0 for what is no whole number."""
    if isinstance(ms, float):
        return int(ms) * 1000 if ms.is_integer() else 0
    return ms * 1000 if isinstance(ms, int) and not isinstance(ms, bool) else 0


def symbols_in(file: Path | None) -> tuple[str, ...]:
    """The symbols that the recording holds, in order of appearance, the first ``MAX_SYMBOLS`` of them.

    What is damaged in it is told in the log, as is a symbol too many: its trades are played, and become dead letters.

    Raises:
        RecordingError: no file was named, it isn't there, or it holds no trade.
    """
    check_playable(file)
    payloads = _payloads(_existing(file), _tell)
    found: dict[str, None] = {}
    too_many = False
    for symbol in (s for payload, _ in payloads for s in _symbols(_elements(_object(payload)))):
        if len(symbol) > MAX_KEY_CHARACTERS:
            continue
        if len(found) < MAX_SYMBOLS:
            found[symbol] = None
        elif symbol not in found and not too_many:
            too_many = True
            logger.warning("%s has more than %d symbols: the trades of the others are dead letters", file, MAX_SYMBOLS)
    return tuple(found)


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
    text = as_utf8(payload)
    if not message or b"\n" in text:
        return text.replace(b"\n", b" ")
    identity = identity_time(message, source, received_at)
    if (mark := mark_of(message)) is not None:
        end = marked(b"{}", mark)[1:]  # where the replayer put it
        text = text.removesuffix(end).rstrip(b", ") + b"}" if text.endswith(end) else text
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
            for line in _bounded(lines):
                if payload := line.removeprefix(codecs.BOM_UTF8).strip():
                    recorded_at = _object(payload).get(RECEIVED_AT)
                    yield payload, recorded_at if type(recorded_at) is int and recorded_at > 0 else 0
    except OSError as error:
        raise RecordingError(f"the recording {where} can't be read: {error.strerror}") from None


def _bounded(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file; of one that is longer than a message may be, what ``cut_off`` keeps."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) <= MAX_LINE_BYTES or line.endswith(b"\n"):
            yield line
            continue
        beginning, size = line[:KEPT_BYTES], len(line)
        while not line.endswith(b"\n") and (line := file.readline(MAX_LINE_BYTES)):
            size += len(line)
        logger.warning("%s has a line of %d bytes: only its beginning is played", file.name, size)
        yield cut_off(beginning, size)


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
