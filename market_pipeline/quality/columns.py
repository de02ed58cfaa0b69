"""Trades as Arrow columns, and a checksum of each: how hops are compared without an object per trade."""

import hashlib
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from market_pipeline.model import EXACT, Trade

DECIMAL = pa.decimal128(38, 18)
"""Holds every price and volume that is a trade's, with all its digits."""
COLUMNS = pa.schema(
    [
        ("symbol", pa.string()),
        ("ts", pa.int64()),
        ("trade_id", pa.string()),
        ("price", DECIMAL),
        ("volume", DECIMAL),
        ("seq", pa.int32()),
        ("received_at", pa.int64()),
    ]
)
"""``ts`` in epoch milliseconds, ``received_at`` in epoch microseconds; ``seq`` is 0 where a hop does not keep it."""
NOT_A_NUMBER = Decimal(-1)
"""Stands for a price or volume that no trade has: it differs from every trade's."""

_ULP = Decimal(1).scaleb(-18)
_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
Words = np.ndarray[Any, np.dtype[np.uint64]]


def of_trades(trades: Iterable[Trade]) -> pa.RecordBatch:
    """Trades as columns; one whose text is not Unicode can be in no table, and is left out."""
    rows = [trade for trade in trades if _is_unicode(trade.symbol)]
    return of_columns(
        symbol=[trade.symbol for trade in rows],
        ts=[trade.ts for trade in rows],
        trade_id=[trade.trade_id for trade in rows],
        price=[exact(trade.price) for trade in rows],
        volume=[exact(trade.volume) for trade in rows],
        seq=[trade.seq for trade in rows],
        received_at=[trade.received_at for trade in rows],
    )


def of_columns(**columns: Any) -> pa.RecordBatch:
    """Columns by name, as lists or Arrow arrays, in the types of ``COLUMNS``."""
    return pa.RecordBatch.from_arrays([pa.array(columns[each.name], each.type) for each in COLUMNS], schema=COLUMNS)


def exact(number: Decimal | None) -> Decimal:
    """A price or volume with 18 decimals; what has more digits than a trade's can have is ``NOT_A_NUMBER``."""
    if number is None or not number.is_finite():
        return NOT_A_NUMBER
    try:
        scaled = number.quantize(_ULP, context=EXACT)
    except InvalidOperation:
        return NOT_A_NUMBER
    fits = scaled == number and scaled.adjusted() < DECIMAL.precision - DECIMAL.scale
    return scaled if fits else NOT_A_NUMBER


def checksums(trades: pa.RecordBatch) -> Words:
    """64 bits of identity and value for each trade: 1.50 and 1.5 are the same price, and so are 0 and -0."""
    found = mixed(_words(trades.column("ts")))
    for name in ("price", "volume"):
        halves = _halves(trades.column(name))
        found = mixed(mixed(found ^ halves[:, 0]) ^ halves[:, 1])
    found = mixed(found ^ _of_symbols(trades.column("symbol")))
    for word in _of_text(trades.column("trade_id")).T:
        # a word beyond the end of a shorter text changes nothing, so that a text's width does not matter
        found = np.where(word != 0, mixed(found ^ word), found)
    return found


def mixed(words: Words) -> Words:
    """Each word spread over all of its bits (the finaliser of SplitMix64)."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    for shift, multiplier in zip(_SHIFTS, _MULTIPLIERS, strict=False):
        words = (words ^ (words >> shift)) * multiplier
    return words ^ (words >> _SHIFTS[-1])


def _words(column: pa.Array) -> Words:
    words: Words = column.to_numpy(zero_copy_only=False).astype(np.int64, copy=False).view(np.uint64)
    return words


def _halves(column: pa.Array) -> Words:
    """Each decimal's 128 bits, as two words."""
    words = np.frombuffer(column.buffers()[1], dtype="<u8").reshape(-1, 2)
    return words[column.offset : column.offset + len(column)]


def _of_symbols(column: pa.Array) -> Words:
    encoded = column.dictionary_encode()
    digests = [hashlib.blake2b(symbol.encode(), digest_size=8).digest() for symbol in encoded.dictionary.to_pylist()]
    words = np.frombuffer(b"".join(digests), dtype="<u8")
    return words[encoded.indices.to_numpy()] if len(words) else np.zeros(0, np.uint64)


def _of_text(column: pa.Array) -> Words:
    """Each text's bytes as words, one row a text."""
    texts = bytes_of(column)
    width = -(-texts.dtype.itemsize // 8) * 8
    return texts.astype(f"S{width}").view("<u8").reshape(len(texts), width // 8)


def bytes_of(column: pa.Array) -> np.ndarray[Any, np.dtype[np.bytes_]]:
    """A text column as NumPy's bytes of one width, which compare as the texts do."""
    if not len(column):
        return np.zeros(0, "S8")
    lengths = pc.min_max(pc.binary_length(column)).as_py()
    if lengths["min"] == lengths["max"] > 0:
        start = int(np.frombuffer(column.buffers()[1], dtype="<i4")[column.offset])
        count = len(column) * lengths["max"]
        return np.frombuffer(column.buffers()[2], dtype="S1", count=count, offset=start).view(f"S{lengths['max']}")
    return np.array([text.encode() for text in column.to_pylist()], dtype="S")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
