"""What the stream's one query hands to the writer."""

import re
import stat
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame, Row, SparkSession

from market_pipeline.model import PROBE_AWAITED_MS, canary, encode, smoke_test_probe
from market_pipeline.stream.query import DEAD_LETTER, EVERYWHERE, SILVER_ALONE, to_writer
from market_pipeline.writer.compiled import sources
from market_pipeline_tests.spark.test_transforms import NINE, trade

if TYPE_CHECKING:
    from market_pipeline_tests.spark.conftest import Frames


def records(spark: SparkSession, *values: bytes) -> DataFrame:
    rows = [(b"key", value, "trades_raw", 1, offset) for offset, value in enumerate(values)]
    return spark.createDataFrame(rows, "key BINARY, value BINARY, topic STRING, partition INT, offset BIGINT")


def rows_of(spark: SparkSession, *values: bytes) -> list[Row]:
    return to_writer(records(spark, *values)).orderBy("offset").collect()


def test_its_columns_and_places_are_those_that_the_writer_has(spark: SparkSession) -> None:
    text = sources()["marketpipeline/TradeWriter.java"].decode()
    columns = re.search(r"COLUMNS =\s*List\.of\((.*?)\);", text, re.DOTALL)
    assert columns is not None
    assert to_writer(records(spark)).columns == re.findall(r'"(\w+)"', columns[1])
    assert f"EVERYWHERE = {EVERYWHERE}, SILVER_ALONE = {SILVER_ALONE}, DEAD_LETTER = {DEAD_LETTER};" in text


def test_a_trade_goes_into_every_table_with_what_it_came_with(spark: SparkSession, frames: "Frames") -> None:
    sent = replace(trade(NINE, "39432.48", "0.025"), conditions=("1", "24"), seq=3)
    (row,) = rows_of(spark, encode(sent))
    assert row.place == EVERYWHERE
    assert (row.symbol, row.ts, row.trade_id, row.seq, row.received_at) == (
        sent.symbol, sent.ts, sent.trade_id, sent.seq, sent.received_at,
    )  # fmt: skip
    assert (row.price, row.volume, row.conditions) == (sent.price, sent.volume, ["1", "24"])
    assert (row.reason, row.detail, row.key, row.value) == (None, None, None, None)


def test_a_record_that_is_no_trade_goes_as_it_came_with_the_reason(spark: SparkSession) -> None:
    (row,) = rows_of(spark, b"rubbish \xff")
    assert (row.place, row.reason) == (DEAD_LETTER, "malformed_json")
    assert row.detail
    assert (bytes(row.key), bytes(row.value)) == (b"key", b"rubbish \xff")
    assert (row.topic, row.partition, row.offset) == ("trades_raw", 1, 0)


def test_a_probe_is_written_while_somebody_waits_for_it_and_a_canary_into_silver_alone(spark: SparkSession) -> None:
    now_us = time.time_ns() // 1000
    long_ago_us = now_us - (PROBE_AWAITED_MS + 60_000) * 1000
    sent = [probe(at_us) for probe in (canary, smoke_test_probe) for at_us in (long_ago_us, now_us)]
    rows = rows_of(spark, *map(encode, sent))
    assert [(row.offset, row.place) for row in rows] == [(1, SILVER_ALONE), (3, EVERYWHERE)]


def test_the_files_of_a_checkpoint_are_for_their_owner_alone(spark: SparkSession, tmp_path: Path) -> None:
    query = (
        spark.readStream.format("rate").load().writeStream.format("noop")
        .option("checkpointLocation", str(tmp_path / "checkpoint")).trigger(availableNow=True).start()
    )  # fmt: skip
    query.awaitTermination(60)
    files = [each for each in (tmp_path / "checkpoint").rglob("*") if each.is_file()]
    assert {"offsets", "commits"} <= {each.parent.name for each in files}
    assert [each for each in files if stat.S_IMODE(each.stat().st_mode) & 0o077] == []
