"""Plays a recording: which message goes out when. Pure but for reading the recording.

Paced by time: of receipt where the recording tells it, else of trade. Played in a loop, each round goes on counting
messages and shifts identities by the recording's length, so that the trades of each round are new ones.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from market_pipeline.feed.recorded import Mark, marked
from market_pipeline.feed.recording import Message, messages

_ROUND_GAP_US = 1_000_000


class Due(NamedTuple):
    """A message to send: ``after_s`` seconds after the replay began (its place in the recording, by the speed)."""

    after_s: float
    payload: bytes
    trades: int
    frame: int
    symbols: frozenset[str]


class Replay:
    """A recording and how it is played.

    Args:
        file: the recording.
        speed: times real time; 0: as fast as it is taken.
        once: end after the last message instead of starting over.
        run: names this life of the replayer.
    """

    def __init__(self, file: Path | None, speed: float, once: bool, run: str) -> None:
        latest = time.time_ns() // 1000  # the same for every round and every client
        self._read: Callable[[], Iterator[Message]] = lambda: messages(file, latest=latest)
        self._speed = speed
        self._once = once
        self._run = run

    def due(self, begin: int) -> Iterator[Due]:
        """The messages from number ``begin`` on, at the times counted from that message.

        Raises:
            RecordingError: the recording is gone or can't be read.
        """
        frame, shift, origin, last = 0, 0, None, 0
        while True:
            first = None
            for message in self._read():
                first = message if first is None else first
                last = message.received_at
                if frame >= begin:
                    due = message.due + shift
                    origin = due if origin is None else origin
                    after_s = (due - origin) / 1e6 / self._speed if self._speed else 0.0
                    mark = Mark(self._run, frame, message.received_at + shift)
                    yield Due(after_s, marked(message.payload, mark), message.trades, frame, message.symbols)
                frame += 1
            if self._once or first is None:
                return
            # a first message without a time of its own has none in its identity either
            shift += max(0, last - max(first.received_at, first.due)) + _ROUND_GAP_US
