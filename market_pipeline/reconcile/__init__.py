"""Received = produced = bronze = silver = bars, for one UTC day, on the live system: the proof that nothing was lost.

Each hop is read from where it lives, once, all of them at the same time: the journal, Kafka, the Parquet archive,
``trades_silver``; beside them ``ohlcv_1m`` and ``latest_prices``, which have to follow from the trades. Only what was
received before the comparison began is compared, so that it can run beside the stream. Trades that were filled in from
a second source never were in the journal: they are counted apart, and compared from Kafka on.
"""

from market_pipeline.reconcile.comparison import days_with_trades, newest_day, reconcile, settled, stream_behind
from market_pipeline.reconcile.report import DayExpired, Report

__all__ = ["DayExpired", "Report", "days_with_trades", "newest_day", "reconcile", "settled", "stream_behind"]
