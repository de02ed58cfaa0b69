"""Frames of the journal and records of ``trades_raw`` as columns, many at a time.

Arrow's JSON reader takes what is written as feeds and our producer write it. Whatever it does not take, or what does
not pass every check here, goes one by one through the code that the feed itself uses; so that code alone decides what
is no trade, and these two ways never differ in what they accept.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from market_pipeline.feed.journal import Frame
from market_pipeline.feed.normalise import ANYTHING, MAX_ELEMENTS, trades_of
from market_pipeline.feed.recorded import REPLAY, identity_time
from market_pipeline.feed.subscribed import Subscribed
from market_pipeline.model import (
    EARLIEST_TS_MS,
    MAX_AHEAD_MS,
    MAX_KEY_CHARACTERS,
    MAX_PRICE,
    MAX_VOLUME,
    MAX_WHOLE,
    RejectedTrade,
    Trade,
    check_conditions,
    check_symbol,
    decode,
    is_probe,
)
from market_pipeline.quality.columns import COLUMNS, DECIMAL, of_columns, of_trades

BATCH = 8_192
BATCH_BYTES = 4 << 20
ONE_BY_ONE = 32
"""Of so few what one of them spoils is not worth another try together."""

_RECORD = pa.schema(
    [
        ("symbol", pa.string()),
        ("price", DECIMAL),
        ("volume", DECIMAL),
        ("ts", pa.int64()),
        ("conditions", pa.list_(pa.string())),
        ("trade_id", pa.string()),
        ("seq", pa.int32()),
        ("source", pa.string()),
        ("received_at", pa.int64()),
    ]
)
_ELEMENT = pa.schema(
    [("c", pa.list_(pa.string())), ("p", DECIMAL), ("s", pa.string()), ("t", pa.int64()), ("v", DECIMAL)]
)
_ENVELOPE = re.compile(
    rb'\{(?:"type": ?"trade", ?"data": ?\[(\{.*\})\]|"data": ?\[(\{.*\})\], ?"type": ?"trade")'
    rb'(?:, ?"replay": ?(\{[^{}]*\}))?\}\s*'
)
_QUOTED = {name: re.compile(rb'"%b"\s*:\s*"' % name.encode()) for name in ("price", "volume", "p", "v")}
_ESCAPED_LETTERS = (b"\\u006", b"\\u007")
_ZERO, _MAX_PRICE, _MAX_VOLUME = (pa.scalar(Decimal(n), DECIMAL) for n in (0, MAX_PRICE, MAX_VOLUME))
T = TypeVar("T")


def records(values: Iterable[bytes]) -> Iterator[pa.RecordBatch]:
    """The trades among a topic's values, probes left out; what is not a trade is the dead letters' business."""
    for some in _in_batches(values, len):
        yield from _parsed(some, _read_records, _decode)


def frames(
    received: Iterable[Frame], source: str, subscribed: Subscribed = ANYTHING
) -> Iterator[pa.RecordBatch]:  # fmt: skip
    """The trades of a stretch of the journal.

    Args:
        received: in order of receipt.
        source: the feed, for frames that don't tell it themselves.
        subscribed: what may be received; of a journal what ``load_subscribed`` finds beside it.
    """
    for some in _in_batches(received, lambda frame: len(frame.payload)):
        yield from _parsed(
            some,
            lambda part: _read_frames(part, source, subscribed),
            lambda part: (item for item in trades_of(part, source, subscribed) if isinstance(item, Trade)),
        )


def _in_batches(items: Iterable[T], size: Callable[[T], int]) -> Iterator[list[T]]:
    some: list[T] = []
    held = 0
    for item in items:
        some.append(item)
        held += size(item)
        if len(some) >= BATCH or held >= BATCH_BYTES:
            yield some
            some, held = [], 0
    if some:
        yield some


def _parsed(
    some: Sequence[T],
    together: Callable[[Sequence[T]], pa.RecordBatch | None],
    one_by_one: Callable[[Sequence[T]], Iterable[Trade]],
) -> Iterator[pa.RecordBatch]:
    """Everything together; where that can't be had, each half of it, in order."""
    found = together(some)
    if found is not None:
        yield found
    elif len(some) <= ONE_BY_ONE:
        yield of_trades(one_by_one(some))
    else:
        middle = len(some) // 2
        yield from _parsed(some[:middle], together, one_by_one)
        yield from _parsed(some[middle:], together, one_by_one)


def _decode(values: Sequence[bytes]) -> Iterator[Trade]:
    for value in values:
        if not is_probe(value):
            try:
                yield decode(value)
            except RejectedTrade:
                continue


def _read_records(values: Sequence[bytes]) -> pa.RecordBatch | None:
    """The trades if Arrow can read all of the values, and each is one; else None."""
    plain = [value for value in values if not is_probe(value)]
    if not plain:
        return of_trades([])
    rows = _read(plain, _RECORD)
    if rows is None:
        return None
    batch = of_columns(**{name: rows.column(name) for name in COLUMNS.names})
    whole = np.ones(len(plain), bool)
    for name in ("symbol", "price", "volume", "ts", "trade_id", "seq", "source", "received_at"):
        whole &= rows.column(name).is_valid().to_numpy(zero_copy_only=False)
    if not whole.all():
        return None
    numbers = {name: batch.column(name).to_numpy() for name in ("ts", "seq", "received_at")}
    lengths = pc.utf8_length(batch.column("trade_id")).to_numpy()
    right = (
        _values_are_right(batch, numbers["ts"], numbers["received_at"])
        and bool((lengths <= MAX_KEY_CHARACTERS).all())
        and all(bool(((numbers[n] >= 0) & (numbers[n] <= MAX_WHOLE[n])).all()) for n in ("seq", "received_at"))
        and all(map(_is_symbol, pc.unique(batch.column("symbol")).to_pylist()))
        and _are_conditions(rows.column("conditions"))
    )
    return batch if right else None


def _read_frames(some: Sequence[Frame], source: str, subscribed: Subscribed) -> pa.RecordBatch | None:
    """The trades if Arrow can read all of the frames, and each element is one; else None."""
    lines: list[bytes] = []
    counts, identities, times = [], [], []
    for frame in some:
        matched = _ENVELOPE.fullmatch(frame.payload)
        if matched is None:
            return None
        elements = (matched[1] or matched[2]).replace(b"},{", b"}\n{").replace(b"}, {", b"}\n{")
        identity = _identity(matched[3], frame, source)
        if identity is None:
            return None
        lines.append(elements)
        counts.append(elements.count(b"\n") + 1)
        identities.append(identity)
        times.append(frame.received_at)
    if max(counts) > MAX_ELEMENTS:
        return None
    rows = _read(lines, _ELEMENT, sum(counts))
    if rows is None or any(rows.column(name).null_count for name in ("p", "s", "t", "v")):
        return None
    received_at = np.repeat(np.array(times, np.int64), counts)
    places = np.arange(len(received_at)) - np.repeat(np.cumsum(counts) - counts, counts)
    batch = of_columns(
        symbol=rows.column("s"),
        ts=rows.column("t"),
        trade_id=_trade_ids(np.repeat(np.array(identities, np.int64), counts), places),
        price=rows.column("p"),
        volume=rows.column("v"),
        seq=np.zeros(len(places), np.int32),
        received_at=received_at,
    )
    symbols = pc.unique(batch.column("symbol")).to_pylist()
    right = (
        _values_are_right(batch, batch.column("ts").to_numpy(), received_at)
        and all(map(_is_symbol, symbols))
        and _are_subscribed(symbols, subscribed, min(times), max(times))
        and _are_conditions(rows.column("c"))
    )
    return batch if right else None


def _read(lines: Sequence[bytes], schema: pa.Schema, rows: int | None = None) -> pa.RecordBatch | None:
    """JSON objects, one a line, in exactly these columns; None if they are anything else."""
    text = b"\n".join(lines)
    objects = len(lines) if rows is None else rows
    # one object a line, no more and no less: Arrow would also take two in one line
    if text.count(b"{") != objects or text.count(b"\n") != objects - 1 or (b"\n" + text).count(b"\n{") != objects:
        return None
    if not _is_plain(text, [each.name for each in schema if each.type == DECIMAL]):
        return None
    try:
        table = pj.read_json(
            pa.BufferReader(text),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(text) + 1),
            parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
        )
        table.validate(full=True)  # above all that texts are UTF-8
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    if table.num_rows != objects:
        return None
    return table.combine_chunks().to_batches()[0]


def _is_plain(text: bytes, numbers: Iterable[str]) -> bool:
    """Whether Arrow reads JSON as our decoder does.

    Arrow takes a number in quotes for a number, an escaped letter may be a part of a key's name, and Arrow crashes on
    an exponent such as that of 1e-999999999. One regular expression for all of it took three quarters of the time of
    reading.
    """
    if b"\r" in text or any(letter in text for letter in _ESCAPED_LETTERS):
        return False
    if any(_QUOTED[name].search(text) for name in numbers):
        return False
    characters = np.frombuffer(text, np.uint8)
    digits = characters[:-1] - np.uint8(ord("0")) < 10  # wraps below 0
    return not (digits & ((characters[1:] | 0x20) == ord("e"))).any()


def _values_are_right(batch: pa.RecordBatch, ts: Any, received_at: Any) -> bool:
    """Whether every price, volume and time is one that a trade may have."""
    price, volume = batch.column("price"), batch.column("volume")
    in_range = (
        pc.and_(pc.greater(price, _ZERO), pc.less(price, _MAX_PRICE)),
        pc.and_(pc.greater_equal(volume, _ZERO), pc.less(volume, _MAX_VOLUME)),
    )
    times = (ts >= EARLIEST_TS_MS) & (ts <= received_at // 1000 + MAX_AHEAD_MS)
    return all(pc.all(each).as_py() for each in in_range) and bool(times.all())


def _trade_ids(micros: Any, places: Any) -> pa.Array:
    """``model.trade_id`` of many at once."""
    first = pc.utf8_lpad(pa.array(micros).cast(pa.string()), 16, "0")
    second = pc.utf8_lpad(pa.array(places).cast(pa.string()), 5, "0")
    return pc.binary_join_element_wise(first, second, "-")


def _identity(mark: bytes | None, frame: Frame, source: str) -> int | None:
    """The time that a frame's ids come from; None where it takes the message's own reader to find out."""
    if mark is None:
        return frame.received_at
    try:
        return identity_time({REPLAY: json.loads(mark)}, frame.source or source, frame.received_at)
    except (ValueError, RecursionError):
        return None


def _are_conditions(column: pa.Array) -> bool:
    return all(map(_is_condition, pc.unique(column.flatten()).to_pylist()))


def _are_subscribed(symbols: Iterable[str], subscribed: Subscribed, first: int, last: int) -> bool:
    """Whether the symbols were subscribed all the time from ``first`` to ``last``; a symbol stays subscribed."""
    if subscribed.since is None or last < subscribed.since:
        return True
    since = max(first, subscribed.since)
    return all(subscribed.has(symbol, since) for symbol in symbols)


@lru_cache(maxsize=65_536)
def _is_symbol(text: str) -> bool:
    try:
        return check_symbol(text) == text
    except RejectedTrade:
        return False


@lru_cache(maxsize=4_096)
def _is_condition(code: str | None) -> bool:
    try:
        return check_conditions([code]) == (code,)
    except RejectedTrade:
        return False
