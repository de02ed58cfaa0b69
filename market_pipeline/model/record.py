"""A trade as the JSON value of its Kafka record, and back."""

import json
import math
import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from market_pipeline.model.characters import has_lone_surrogate
from market_pipeline.model.schema import TRADE_RECORD
from market_pipeline.model.trade import (
    MAX_WHOLE,
    RejectedTrade,
    Rejection,
    Trade,
    check_conditions,
    check_key,
    check_price,
    check_symbol,
    check_ts,
    check_volume,
)


def encode(trade: Trade) -> bytes:
    """A trade as the JSON value of its Kafka record; numbers keep the feed's own digits, written without exponent."""
    return (
        f'{{"symbol":{_json_text(trade.symbol)},"price":{trade.price:f},"volume":{trade.volume:f},"ts":{trade.ts},'
        f'"conditions":{_json_text(trade.conditions)},"trade_id":"{trade.trade_id}",'
        f'"seq":{trade.seq},"source":{_json_text(trade.source)},"received_at":{trade.received_at}}}'
    ).encode()


_KEY = re.compile(rf'"({"|".join(column.name for column in TRADE_RECORD)})"[ \t\r\n]*:')
"""The key of a field; within a text of JSON its quotes are escaped."""
_CACHED_CHARACTERS = 64
"""Of a value whose JSON is remembered; so all that are have less than 4 MiB."""


def _json_text(value: str | tuple[str, ...]) -> str:
    """Symbols and condition codes come again and again, and turning them into JSON is half the cost of a record."""
    length = len(value) if isinstance(value, str) else sum(map(len, value)) + len(value)
    return _cached_json(value) if length <= _CACHED_CHARACTERS else _cached_json.__wrapped__(value)


@lru_cache(maxsize=4096)
def _cached_json(value: str | tuple[str, ...]) -> str:
    return json.dumps(value, separators=(",", ":"))


def parse_json(text: str | bytes) -> Any:
    """JSON with every fraction as an exact ``Decimal``; NaN and Infinity stay floats, which no check accepts.

    Raises:
        RejectedTrade: it is not JSON, or not UTF-8.
    """
    try:
        try:
            return json.loads(text, parse_float=Decimal)
        except InvalidOperation:  # once more, slower, so that one such number costs no other
            return json.loads(text, parse_float=_decimal_or_nan)
    except (ValueError, RecursionError) as error:
        raise RejectedTrade(Rejection.MALFORMED_JSON, str(error)) from None


def _decimal_or_nan(text: str) -> Decimal | float:
    """A number with an exponent beyond what ``Decimal`` can hold, such as 1e9999999999999999999, is none."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return math.nan


def decode(value: bytes) -> Trade:
    """The trade in a Kafka record's value, checked as the feed checks it.

    Raises:
        RejectedTrade: the bytes are not a trade.
    """
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise RejectedTrade(Rejection.MALFORMED_JSON, "not UTF-8") from None
    record = parse_json(text)
    if has_lone_surrogate(text):
        raise RejectedTrade(Rejection.MALFORMED_JSON, "half of a surrogate pair")
    if not isinstance(record, dict):
        raise RejectedTrade(Rejection.NOT_AN_OBJECT, f"a {type(record).__name__}")
    flat = all(map(_is_flat, record.values()))
    keys = _KEY.findall(text)
    if flat and len(keys) != len(set(keys)):
        raise RejectedTrade(Rejection.MALFORMED_JSON, "a key that comes twice")
    missing = [column.name for column in TRADE_RECORD if column.name not in record and column.name != "conditions"]
    if missing:
        raise RejectedTrade(Rejection.MISSING_FIELD, f"no {', '.join(missing)}")
    for name, kind in (("trade_id", str), ("source", str), ("seq", int), ("received_at", int)):
        if type(record[name]) is not kind or (kind is int and not 0 <= record[name] <= MAX_WHOLE[name]):
            raise RejectedTrade(Rejection.WRONG_TYPE, f"{name} is {record[name]!r:.40}")
    trade = Trade(
        symbol=check_symbol(record["symbol"]),
        price=check_price(record["price"]),
        volume=check_volume(record["volume"]),
        ts=check_ts(_written_whole(record["ts"]), record["received_at"]),
        trade_id=check_key("trade_id", record["trade_id"]),
        seq=record["seq"],
        source=record["source"],
        received_at=record["received_at"],
        conditions=check_conditions(record.get("conditions")),
    )
    if not flat:
        raise RejectedTrade(Rejection.WRONG_TYPE, "not a flat record as the producer writes it")
    return trade


def _written_whole(ts: object) -> object:
    """Records are ours: what a feed may write as 1.6e12 has become a whole number by then."""
    if isinstance(ts, Decimal):
        raise RejectedTrade(Rejection.WRONG_TYPE, f"ts is {ts!s:.40}, not epoch milliseconds")
    return ts


def _is_flat(value: object) -> bool:
    parts = value if isinstance(value, list) else [value]
    return not any(isinstance(part, dict | list) for part in parts)
