"""What a trade and a bar are: fields, types, units and limits, told once.

Spark's types, the JSON on Kafka and the validation of the feed are made from this package; the CQL migrations are
tested against it. Nothing here does input or output.
"""

from market_pipeline.model.record import (
    decode,
    encode,
    parse_json,
)
from market_pipeline.model.schema import (
    COMPLETE,
    FEED_GAPS,
    LATEST_PRICES,
    OHLCV_1D,
    OHLCV_1M,
    SYMBOL_DAILY_STATS,
    TRADE_RECORD,
    TRADES_SILVER,
    Column,
    Kind,
    spark_ddl,
)
from market_pipeline.model.trade import (
    EARLIEST_TS_MS,
    EXACT,
    MAX_AHEAD_MS,
    MAX_DECIMALS,
    MAX_PRICE,
    MAX_SEQ,
    MAX_VOLUME,
    MAX_WHOLE,
    RejectedTrade,
    Rejection,
    Trade,
    check_conditions,
    check_decimal,
    check_price,
    check_symbol,
    check_ts,
    check_volume,
    trade_id,
)

__all__ = [
    "COMPLETE",
    "EARLIEST_TS_MS",
    "EXACT",
    "FEED_GAPS",
    "LATEST_PRICES",
    "MAX_AHEAD_MS",
    "MAX_DECIMALS",
    "MAX_PRICE",
    "MAX_SEQ",
    "MAX_VOLUME",
    "MAX_WHOLE",
    "OHLCV_1D",
    "OHLCV_1M",
    "SYMBOL_DAILY_STATS",
    "TRADES_SILVER",
    "TRADE_RECORD",
    "Column",
    "Kind",
    "RejectedTrade",
    "Rejection",
    "Trade",
    "check_conditions",
    "check_decimal",
    "check_price",
    "check_symbol",
    "check_ts",
    "check_volume",
    "decode",
    "encode",
    "parse_json",
    "spark_ddl",
    "trade_id",
]
