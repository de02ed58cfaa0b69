"""What a trade and a bar are: fields, types, units and limits, told once.

Spark's types, the JSON on Kafka and the validation of the feed are made from this module; the CQL migrations are tested
against it. Nothing here does input or output.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation
from enum import Enum, StrEnum
from functools import lru_cache
from typing import Any, NamedTuple


class Kind(Enum):
    """A column's type, as Spark and as Cassandra name it.

    Decimals are exact from end to end. Price and volume hold what a double can print (17 significant digits) for any
    price from 0.1 up; notional is the type Spark gives price × volume (SPARK-22036: 25 digits before the point, the
    rest after it), so a sum of notionals does not depend on the order of its terms.
    """

    TEXT = ("STRING", "text")
    TEXT_LIST = ("ARRAY<STRING>", "list<text>")
    PRICE = ("DECIMAL(28,18)", "decimal")
    VOLUME = ("DECIMAL(32,18)", "decimal")
    VWAP = ("DECIMAL(28,10)", "decimal")
    INT = ("INT", "int")
    BIGINT = ("BIGINT", "bigint")
    DOUBLE = ("DOUBLE", "double")
    BOOLEAN = ("BOOLEAN", "boolean")
    TIMESTAMP = ("TIMESTAMP", "timestamp")
    DATE = ("DATE", "date")

    def __init__(self, spark: str, cql: str) -> None:
        self.spark = spark
        self.cql = cql


class Column(NamedTuple):
    """One column: its name, type and meaning; the meaning tells the unit."""

    name: str
    kind: Kind
    meaning: str


def spark_ddl(columns: Iterable[Column]) -> str:
    """The columns as a Spark DDL string, for ``from_json`` and readers."""
    return ", ".join(f"`{column.name}` {column.kind.spark}" for column in columns)


_SYMBOL = Column("symbol", Kind.TEXT, "The vendor's symbol, such as AAPL, BINANCE:BTCUSDT or OANDA:EUR_USD")
_PRICE = Column("price", Kind.PRICE, "Price of one unit, in the symbol's quote currency")
_VOLUME = Column("volume", Kind.VOLUME, "Units traded; 0 for a price update without a trade")
_TRADE_ID = Column("trade_id", Kind.TEXT, "Receive time and place in the frame; sorts in order of arrival")
_CONDITIONS = Column("conditions", Kind.TEXT_LIST, "The vendor's condition codes")

TRADE_RECORD = (
    _SYMBOL,
    _PRICE,
    _VOLUME,
    Column("ts", Kind.BIGINT, "When the trade happened, as the vendor says: epoch milliseconds, UTC"),
    _CONDITIONS,
    _TRADE_ID,
    Column("seq", Kind.INT, "How many trades of this symbol in this millisecond arrived before"),
    Column("source", Kind.TEXT, "The feed: finnhub, simulator or replay"),
    Column("received_at", Kind.BIGINT, "When the frame left the socket: epoch microseconds, strictly increasing"),
)
"""A record of the topic ``trades_raw``: JSON, keyed by symbol."""

TRADES_SILVER = (
    _SYMBOL,
    Column("bucket", Kind.TIMESTAMP, "UTC hour of the trade; with the symbol the partition key"),
    Column("ts", Kind.TIMESTAMP, "When the trade happened, as the vendor says (milliseconds, UTC)"),
    _TRADE_ID,
    _PRICE,
    _VOLUME,
    _CONDITIONS,
    Column("received_at", Kind.TIMESTAMP, "When the frame left the socket (UTC)"),
    Column("ingested_at", Kind.TIMESTAMP, "When the stream wrote the row last (UTC)"),
)
LATEST_PRICES = (
    _SYMBOL,
    Column("ts", Kind.TIMESTAMP, "When the newest trade happened (milliseconds, UTC)"),
    _PRICE,
    _VOLUME,
    _TRADE_ID,
)
_BAR_FIGURES = (
    Column("open", Kind.PRICE, "First price by (event time, trade_id), in the quote currency"),
    Column("high", Kind.PRICE, "Highest price, in the quote currency"),
    Column("low", Kind.PRICE, "Lowest price, in the quote currency"),
    Column("close", Kind.PRICE, "Last price by (event time, trade_id), in the quote currency"),
    Column("volume", Kind.VOLUME, "Units traded"),
    Column("vwap", Kind.VWAP, "Volume-weighted average price; null when nothing was traded"),
    Column("trades", Kind.BIGINT, "Number of trades; price updates (volume 0) are not counted"),
)
COMPLETE = Column(
    "complete",
    Kind.BOOLEAN,
    "Whether the feed listened all the time: true by the batch's judgement, false when a down-time overlaps; "
    "null while nobody has judged",
)
"""Of a bar; the stream, which knows nothing of down-times, never writes it."""
OHLCV_1M = (
    _SYMBOL,
    Column("day", Kind.DATE, "UTC date of the bar; with the symbol the partition key"),
    Column("ts", Kind.TIMESTAMP, "Start of the minute (UTC)"),
    *_BAR_FIGURES,
    COMPLETE,
)
OHLCV_1D = (_SYMBOL, Column("day", Kind.DATE, "UTC date"), *_BAR_FIGURES, COMPLETE)
SYMBOL_DAILY_STATS = (
    _SYMBOL,
    Column("day", Kind.DATE, "UTC date"),
    Column("trades", Kind.BIGINT, "Number of trades; price updates are not counted"),
    Column("price_updates", Kind.BIGINT, "Prices that came without a trade (volume 0)"),
    Column("volume", Kind.VOLUME, "Units traded"),
    Column("vwap", Kind.VWAP, "Volume-weighted average price; null when nothing was traded"),
    Column("first_trade", Kind.TIMESTAMP, "Event time of the first trade or price update (UTC)"),
    Column("last_trade", Kind.TIMESTAMP, "Event time of the last trade or price update (UTC)"),
    Column("largest_price", Kind.PRICE, "Price of the trade with the largest notional; the earliest of equals"),
    Column("largest_volume", Kind.VOLUME, "Its volume"),
    Column("largest_at", Kind.TIMESTAMP, "Its event time (UTC)"),
    Column("regular_open", Kind.PRICE, "First price of the regular session; stocks only"),
    Column("regular_high", Kind.PRICE, "Highest price of the regular session; stocks only"),
    Column("regular_low", Kind.PRICE, "Lowest price of the regular session; stocks only"),
    Column("regular_close", Kind.PRICE, "Last price of the regular session; stocks only"),
    Column("regular_volume", Kind.VOLUME, "Units traded in the regular session; stocks only"),
    Column(
        "realised_volatility",
        Kind.DOUBLE,
        "Root of the summed squared log returns of 1-minute closes, not annualised; of the regular session for stocks",
    ),
    Column("minutes_traded", Kind.INT, "Minutes with a trade or a price update"),
    Column("minutes_open", Kind.INT, "Minutes of the UTC day in which the market was open, extended hours included"),
    Column("coverage", Kind.DOUBLE, "minutes_traded / minutes_open; null when the market was closed all day"),
    Column("gap_seconds", Kind.DOUBLE, "Seconds of the day in which the feed was down"),
    Column("minutes_quiet", Kind.INT, "Open minutes in which the feed listened and nothing was traded"),
    Column("minutes_unknown", Kind.INT, "Open minutes without a trade in which the feed was down for a while"),
)

FEED_GAPS = (
    _SYMBOL,
    Column("day", Kind.DATE, "UTC date of the start"),
    Column("started_at", Kind.TIMESTAMP, "Since when nothing came (UTC)"),
    Column("ended_at", Kind.TIMESTAMP, "Until when (UTC); null while it lasts"),
    Column("reason", Kind.TEXT, "Why, in words"),
)

EXACT = Context(prec=76)
"""Python rounds to 28 digits unless told; a notional has up to 60."""

MAX_PRICE = Decimal(10) ** 10
MAX_VOLUME = Decimal(10) ** 14
MAX_DECIMALS = 18
EARLIEST_TS_MS = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp() * 1000)
_TS_DIGITS = 18
"""More than an event time has; a number of more digits is not written out to be judged, it may have 10^9 of them."""
MAX_AHEAD_MS = 60_000
"""A trade later than its receipt by more than this would drag the stream's watermark with it: it is a dead letter."""
MAX_WHOLE = {"seq": 2**31 - 1, "received_at": 253_402_300_799_999_999}
"""The largest values that Spark's types hold; for times the last microsecond of the year 9999."""
MAX_SEQ = 999
"""``latest_prices`` is written at ts × 1000 + seq microseconds, so 1,000 trades of a millisecond can be told apart."""


class Rejection(StrEnum):
    """Why something received is a dead letter instead of a trade."""

    MALFORMED_JSON = "malformed_json"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    NOT_FINITE = "not_finite"
    PRICE_NOT_POSITIVE = "price_not_positive"
    VOLUME_NEGATIVE = "volume_negative"
    OUT_OF_RANGE = "out_of_range"
    TOO_MANY_DIGITS = "too_many_digits"
    BEFORE_2000 = "before_2000"
    IN_THE_FUTURE = "in_the_future"
    TOO_LARGE = "too_large"


class RejectedTrade(ValueError):
    """What was received is not a trade; ``reason`` is for counting, ``detail`` for a person."""

    def __init__(self, reason: Rejection, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade, or one price update when ``volume`` is 0.

    Attributes:
        symbol: the vendor's symbol.
        price: in the symbol's quote currency, with the feed's own digits.
        volume: units traded.
        ts: event time, epoch milliseconds UTC.
        trade_id: ``trade_id(received_at, index)``.
        seq: earlier arrivals of the same symbol and ``ts``.
        source: the feed's name.
        received_at: epoch microseconds UTC, strictly increasing over frames.
        conditions: the vendor's condition codes.
    """

    symbol: str
    price: Decimal
    volume: Decimal
    ts: int
    trade_id: str
    seq: int
    source: str
    received_at: int
    conditions: tuple[str, ...] = field(default=())


def trade_id(received_at: int, index: int) -> str:
    """The identity of the ``index``-th element of the frame received at ``received_at`` (epoch microseconds).

    Fixed width, so that text order is order of arrival. Time and value can't identify a trade: real twins exist.
    """
    return f"{received_at:016d}-{index:05d}"


def check_decimal(name: str, value: object, limit: Decimal) -> Decimal:
    """``value`` as a decimal that the schema can hold exactly.

    Raises:
        RejectedTrade: it isn't a number, isn't finite, has too many decimals, or its size reaches ``limit``.
    """
    if value is None:
        raise RejectedTrade(Rejection.MISSING_FIELD, f"no {name}")
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        kind = Rejection.NOT_FINITE if isinstance(value, float) else Rejection.WRONG_TYPE
        raise RejectedTrade(kind, f"{name} is {value!r:.40}, not a finite number")
    number = Decimal(value)
    if not number.is_finite():
        raise RejectedTrade(Rejection.NOT_FINITE, f"{name} is {value}")
    # not abs(), not quantize(): both round to the context's 28 digits, and overflow at 1e999999999
    if number.copy_abs() >= limit:
        raise RejectedTrade(Rejection.OUT_OF_RANGE, f"{name} {number!s:.40} is not below {limit:.0E}")
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and not -MAX_DECIMALS <= exponent <= 0:
        if not number:
            return Decimal(0)
        if _decimals(number) > MAX_DECIMALS:
            raise RejectedTrade(Rejection.TOO_MANY_DIGITS, f"{name} has more than {MAX_DECIMALS} decimals")
    return number


def _decimals(number: Decimal) -> int:
    """Digits behind the point, without zeros at the end; less than 0 when the number ends in zeros before the point."""
    _, digits, exponent = number.as_tuple()
    significant = "".join(map(str, digits)).rstrip("0")
    return -(int(exponent) + len(digits) - len(significant))


def check_price(value: object) -> Decimal:
    """``value`` as a price.

    Raises:
        RejectedTrade: it is not a positive decimal that the schema can hold.
    """
    price = check_decimal("price", value, MAX_PRICE)
    if price <= 0:
        raise RejectedTrade(Rejection.PRICE_NOT_POSITIVE, f"price is {price!s:.40}")
    return price


def check_volume(value: object) -> Decimal:
    """``value`` as a volume; 0 is a price update.

    Raises:
        RejectedTrade: it is negative or not a decimal that the schema can hold.
    """
    volume = check_decimal("volume", value, MAX_VOLUME)
    if volume < 0:
        raise RejectedTrade(Rejection.VOLUME_NEGATIVE, f"volume is {volume!s:.40}")
    return volume


def check_ts(value: object, received_at: int) -> int:
    """``value`` as an event time in epoch milliseconds, against the receive time in epoch microseconds.

    Raises:
        RejectedTrade: not a whole number, before 2000, or more than ``MAX_AHEAD_MS`` after the receipt.
    """
    if value is None:
        raise RejectedTrade(Rejection.MISSING_FIELD, "no ts")
    moment: object = value
    if isinstance(value, Decimal):
        if value.adjusted() >= _TS_DIGITS:
            moment = 10**_TS_DIGITS if value > 0 else 0
        elif value == value.to_integral_value():
            moment = int(value)
    if isinstance(moment, bool) or not isinstance(moment, int):
        raise RejectedTrade(Rejection.WRONG_TYPE, f"ts is {value!r:.40}, not epoch milliseconds")
    if moment < EARLIEST_TS_MS:
        raise RejectedTrade(Rejection.BEFORE_2000, f"ts {value!s:.40} is before 2000")
    if moment > received_at // 1000 + MAX_AHEAD_MS:
        late = f"over {MAX_AHEAD_MS // 1000} s after its receipt"
        raise RejectedTrade(Rejection.IN_THE_FUTURE, f"ts {value!s:.40} is {late}")
    return moment


def check_symbol(value: object) -> str:
    """``value`` as a symbol: text that is not empty.

    Raises:
        RejectedTrade: it isn't.
    """
    if value is None or value == "":
        raise RejectedTrade(Rejection.MISSING_FIELD, "no symbol")
    if not isinstance(value, str):
        raise RejectedTrade(Rejection.WRONG_TYPE, f"symbol is {value!r:.40}, not text")
    return value


def check_conditions(value: object) -> tuple[str, ...]:
    """``value`` as condition codes; absent and null mean none.

    Raises:
        RejectedTrade: it is not a list of text or numbers.
    """
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(code, str | int) for code in value):
        raise RejectedTrade(Rejection.WRONG_TYPE, f"conditions are {value!r:.40}, not a list of codes")
    return tuple(str(code) for code in value)


def encode(trade: Trade) -> bytes:
    """A trade as the JSON value of its Kafka record; numbers keep the feed's own digits, written without exponent."""
    return (
        f'{{"symbol":{_json_text(trade.symbol)},"price":{trade.price:f},"volume":{trade.volume:f},"ts":{trade.ts},'
        f'"conditions":{_json_text(trade.conditions)},"trade_id":"{trade.trade_id}",'
        f'"seq":{trade.seq},"source":{_json_text(trade.source)},"received_at":{trade.received_at}}}'
    ).encode()


@lru_cache(maxsize=4096)
def _json_text(value: str | tuple[str, ...]) -> str:
    """Symbols and condition codes come again and again, and turning them into JSON is half the cost of a record."""
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
    record = parse_json(value)
    if not isinstance(record, dict):
        raise RejectedTrade(Rejection.NOT_AN_OBJECT, f"a {type(record).__name__}")
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
        trade_id=record["trade_id"],
        seq=record["seq"],
        source=record["source"],
        received_at=record["received_at"],
        conditions=check_conditions(record.get("conditions")),
    )
    if not all(_is_flat(value) for value in record.values()):
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
