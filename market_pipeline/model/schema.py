"""The columns of every record and table: names, types, meanings and units."""

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """A column's type, as Spark and as Cassandra name it.

    Decimals are exact from end to end. Price and volume hold what a double can print (17 significant digits) for any
    price from 0.1 up. A vwap has as many decimals as a price, so that it never leaves the range of its bar's prices.
    """

    TEXT = ("STRING", "text")
    TEXT_LIST = ("ARRAY<STRING>", "frozen<list<text>>")
    PRICE = ("DECIMAL(28,18)", "decimal")
    VOLUME = ("DECIMAL(32,18)", "decimal")
    VWAP = ("DECIMAL(28,18)", "decimal")
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
_TRADE_ID = Column(
    "trade_id",
    Kind.TEXT,
    "Receive time and place in the frame; sorts in order of arrival; ends in -filled for a trade of a second source",
)
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
    Column(
        "coverage",
        Kind.DOUBLE,
        "Share of minutes_open with a trade or a price update, 0 to 1; null when the market was closed all day",
    ),
    Column("gap_seconds", Kind.DOUBLE, "Seconds of the day in which the feed was down"),
    Column("minutes_quiet", Kind.INT, "Open minutes in which the feed listened and nothing was traded"),
    Column("minutes_unknown", Kind.INT, "Open minutes without a trade in which the feed was down for a while"),
)

FEED_GAPS = (
    _SYMBOL,
    Column("day", Kind.DATE, "UTC date of the start"),
    Column("started_at", Kind.TIMESTAMP, "Since when nothing came (UTC)"),
    Column("ended_at", Kind.TIMESTAMP, "Until when (UTC); there is no row while it lasts, which `status` tells"),
    Column("reason", Kind.TEXT, "Why, in words"),
    Column("filled_at", Kind.TIMESTAMP, "When its trades were filled in from a second source (UTC); null: a gap still"),
    Column("filled_trades", Kind.BIGINT, "How many trades that were"),
)
