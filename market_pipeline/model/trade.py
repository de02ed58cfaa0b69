"""A trade, its identity and its limits: what is one, and why something is none."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Context, Decimal
from enum import StrEnum

from market_pipeline.model.characters import forbidden_in

EXACT = Context(prec=76)
"""Python rounds to 28 digits unless told; a notional has up to 60."""

MAX_PRICE = Decimal(10) ** 10
MAX_VOLUME = Decimal(10) ** 14
MAX_DECIMALS = 18
MAX_WRITTEN_WHOLE = 100
"""Digits before the point that a price or a volume is written with, an exponent aside: their limits need fewer."""
MAX_WRITTEN_DECIMALS = 500
"""With the zeros at the end: a number of a million digits takes any parser of decimals seconds."""
EARLIEST_TS_MS = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp() * 1000)
_TS_DIGITS = 18
"""More than an event time has; a number of more digits is not written out to be judged, it may have 10^9 of them."""
MAX_AHEAD_MS = 60_000
"""A trade later than its receipt by more than this would drag the stream's watermark with it: it is a dead letter."""
MAX_WHOLE = {"seq": 2**31 - 1, "received_at": 253_402_300_799_999_999}
"""The largest values that Spark's types hold; for times the last microsecond of the year 9999."""
MAX_KEY_CHARACTERS = 1_000
"""Of ``symbol`` and ``trade_id``. None comes near; Cassandra takes keys of up to 64 KiB, and a stream that meets a
longer one fails at the same offset for ever."""
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
    FORBIDDEN_CHARACTER = "forbidden_character"
    NOT_SUBSCRIBED = "not_subscribed"


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


FILLED = "-filled"
"""How the ids of trades end that came from a second source, for a gap in what was received."""


def filled_id(identity: str) -> str:
    """The ``trade_id`` of a filled trade, from the one that its own listener's receive time and place make.

    It sorts among the others by that time, and is none that we can ever receive.
    """
    return identity + FILLED


def is_filled(identity: str) -> bool:
    """Whether a ``trade_id`` is that of a filled trade, which no journal of ours has."""
    return identity.endswith(FILLED)


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
        if exponent < -MAX_WRITTEN_DECIMALS:
            raise RejectedTrade(Rejection.TOO_MANY_DIGITS, f"{name} has more than {MAX_WRITTEN_DECIMALS} decimals")
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
    return volume or volume.copy_abs()  # -0 is a price update too, and Spark has no -0


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
    """``value`` as a symbol: text that is not empty, not without end, and of characters that can be seen.

    Raises:
        RejectedTrade: it isn't.
    """
    if value is None or value == "":
        raise RejectedTrade(Rejection.MISSING_FIELD, "no symbol")
    if not isinstance(value, str):
        raise RejectedTrade(Rejection.WRONG_TYPE, f"symbol is {value!r:.40}, not text")
    return _check_characters("symbol", check_key("symbol", value))


def check_key(name: str, text: str) -> str:
    """``text`` as a part of Cassandra's keys.

    Raises:
        RejectedTrade: it is too long for one.
    """
    if len(text) > MAX_KEY_CHARACTERS:
        raise RejectedTrade(Rejection.TOO_LARGE, f"{name} has {len(text)} characters")
    return text


def check_conditions(value: object) -> tuple[str, ...]:
    """``value`` as condition codes; absent and null mean none.

    Raises:
        RejectedTrade: it is not a list of text or whole numbers, or a code has a character that can't be seen.
    """
    if value is None:
        return ()
    if not isinstance(value, list) or not all(type(code) in (str, int) for code in value):  # True is an int as well
        raise RejectedTrade(Rejection.WRONG_TYPE, f"conditions are {value!r:.40}, not a list of codes")
    return tuple(_check_characters("a condition", str(code)) for code in value)


def _check_characters(name: str, text: str) -> str:
    found = forbidden_in(text)
    if found is not None:
        raise RejectedTrade(Rejection.FORBIDDEN_CHARACTER, f"{name} has the character U+{ord(found):04X}")
    return text
