"""The running bars ``ohlcv_1m``: stateful, each trade counted once, rewritten as trades come."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from market_pipeline.settings import Settings
from market_pipeline.stream.failure import short_errors
from market_pipeline.stream.sinks import checkpoint, write_batch
from market_pipeline.stream.transforms import to_bars, to_minute_rows, without_canaries

QUERY = "ohlcv_1m"
TRIGGER = "1 second"
WIDTH = "1 minute"
MINUTE_MS = 60_000
logger = logging.getLogger(__name__)


def running_bars(trades: DataFrame, watermark: str) -> DataFrame:
    """Bars of one minute from a stream of trades.

    The producer sends again what was not confirmed when it was killed, so each trade counts once within the watermark.
    A trade that is later than the watermark is left out, and counted by Spark. A canary, which is of this very moment
    in whatever time the feed is, moves no watermark.
    """
    once = without_canaries(trades).withWatermark("ts", watermark).dropDuplicatesWithinWatermark(["trade_id"])
    return to_bars(once, WIDTH)


def start_bars(trades: DataFrame, settings: Settings, complete_from: datetime | None) -> StreamingQuery:
    """Start the query; bars that begin before ``complete_from`` are not written."""

    def write(batch: DataFrame, _: int) -> None:
        rows = to_minute_rows(batch)
        if complete_from is not None:
            rows = rows.where(rows.ts >= complete_from)
        with short_errors():
            write_batch(rows, settings, QUERY)

    return (
        running_bars(trades, f"{settings.watermark_minutes} minutes")
        .writeStream.queryName(QUERY)
        .outputMode("update")
        .foreachBatch(write)
        .option("checkpointLocation", checkpoint(settings, QUERY))
        .trigger(processingTime=TRIGGER)
        .start()
    )


def first_complete_minute(oldest_ts: Mapping[int, int]) -> datetime | None:
    """The first minute of which every trade is still in Kafka.

    ``oldest_ts`` is the event time (ms) of the oldest record of each partition that has lost records to retention.
    """
    if not oldest_ts:
        return None
    return datetime.fromtimestamp(-(-max(oldest_ts.values()) // MINUTE_MS) * MINUTE_MS / 1000, UTC)


def remember(folder: Path, moment: datetime | None) -> None:
    """Keep ``complete_from`` beside the checkpoint that it belongs to: the state has the partial bars in it."""
    folder.mkdir(parents=True, exist_ok=True)
    scratch = _file(folder).with_suffix(".tmp")
    scratch.write_text(json.dumps({"complete_from": moment.isoformat() if moment else None}), encoding="utf-8")
    scratch.replace(_file(folder))


def remembered(folder: Path) -> datetime | None:
    """What ``remember`` kept; None when nothing was kept or the first start had every record."""
    try:
        text = json.loads(_file(folder).read_text(encoding="utf-8"))["complete_from"]
    except FileNotFoundError:
        return None
    return datetime.fromisoformat(text) if text else None


def _file(folder: Path) -> Path:
    return folder / "complete_from.json"
