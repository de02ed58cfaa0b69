"""The running bars as a stream: from files instead of Kafka, through the very transform that the application runs."""

import random
import stat
from pathlib import Path

import pytest
from pyspark.sql import DataFrame

from market_pipeline.model import Trade, canary, encode
from market_pipeline.stream.bars import running_bars
from market_pipeline.stream.parsing import parse, valid
from market_pipeline.stream.transforms import to_bars, to_minute_rows
from market_pipeline_tests.spark.test_transforms import MINUTE, NINE, trade


class Stream:
    """A stream of files of records; ``send`` runs it until all is in, ``bars`` has the newest row of each symbol,
    ``table`` the newest of each bar."""

    def __init__(self, spark, folder: Path) -> None:
        self._spark = spark
        self._files = folder / "in"
        self._files.mkdir()
        self._checkpoint = folder / "checkpoint"
        self._sent = 0
        self.bars: dict[str, dict] = {}
        self.table: dict[tuple, dict] = {}
        self.written = 0
        self.late = 0

    def send(self, *trades: Trade) -> None:
        self._sent += 1
        text = "\n".join(encode(each).decode() for each in trades)
        (self._files / f"{self._sent:03d}.txt").write_text(text, encoding="utf-8")
        lines = self._spark.readStream.format("text").load(str(self._files))
        query = (
            running_bars(valid(parse(lines)), "10 minutes")
            .writeStream.outputMode("update")
            .foreachBatch(self._write)
            .option("checkpointLocation", str(self._checkpoint))
            .trigger(availableNow=True)
            .start()
        )
        query.awaitTermination(60)
        assert query.exception() is None
        for progress in query.recentProgress:
            self.late += sum(each.numRowsDroppedByWatermark for each in progress.stateOperators)

    def _write(self, batch: DataFrame, _: int) -> None:
        for row in to_minute_rows(batch).collect():
            self.written += 1
            self.bars[row.symbol] = row.asDict()
            self.table[row.symbol, row.ts] = row.asDict()


@pytest.fixture
def stream(spark, tmp_path: Path) -> Stream:
    return Stream(spark, tmp_path)


def test_bars_grow_are_corrected_and_count_each_trade_once(stream: Stream) -> None:
    first, second = trade(NINE + 10, "10", "1", index=0), trade(NINE + 20, "12", "2", index=1)
    stream.send(first, second)
    assert (stream.bars["A"]["open"], stream.bars["A"]["close"], stream.bars["A"]["trades"]) == ("10", "12", 2)
    stream.send(first, second, first)  # the producer was killed and sends again
    assert (stream.bars["A"]["volume"], stream.bars["A"]["trades"]) == ("3", 2)
    stream.send(trade(NINE + 5 * MINUTE, "13", symbol="B"))
    stream.send(
        trade(NINE + 1, "9", "1", index=3, received_at=(NINE + 5 * MINUTE) * 1000)
    )  # late, within the watermark
    assert (stream.bars["A"]["open"], stream.bars["A"]["low"], stream.bars["A"]["trades"]) == ("9", "9", 3)
    assert stream.late == 0


def test_a_canary_has_no_bar_and_moves_no_watermark(stream: Stream) -> None:
    stream.send(canary((NINE + 600 * MINUTE) * 1000))
    stream.send(trade(NINE, "10"))
    stream.send(trade(NINE + 1, "11", index=1))
    assert (stream.bars.keys(), stream.late) == ({"A"}, 0)
    assert stream.bars["A"]["close"] == "11"


def test_the_bars_of_the_stream_are_those_of_the_batch(stream: Stream, frames) -> None:
    """Trades that come in several pieces, out of order, some of them again."""
    rng = random.Random(5)
    trades = [
        trade(NINE + rng.randrange(4 * MINUTE), f"{rng.uniform(1, 9):.4f}", f"{rng.uniform(0, 3):.6f}", index=index)
        for index in range(120)
    ]
    for piece in range(3):
        stream.send(*trades[40 * piece : 40 * piece + 45])
    batch = {(row.symbol, row.ts): row.asDict() for row in to_minute_rows(to_bars(frames.trades(trades))).collect()}
    assert len(batch) == 4
    assert stream.table == batch


def test_what_is_later_than_the_watermark_is_counted(stream: Stream) -> None:
    stream.send(trade(NINE, "10"))
    stream.send(trade(NINE + 20 * MINUTE, "11", symbol="B"))
    stream.send(trade(NINE + 21 * MINUTE, "11", symbol="B"))
    written = stream.written
    stream.send(trade(NINE + 1, "5", index=9, received_at=(NINE + 21 * MINUTE) * 1000))
    assert stream.late == 1
    assert stream.written == written
    assert stream.bars["A"]["trades"] == 1


def test_the_files_of_a_checkpoint_are_for_their_owner_alone(stream: Stream, tmp_path: Path) -> None:
    stream.send(trade(ts=NINE))
    files = [each for each in (tmp_path / "checkpoint").rglob("*") if each.is_file()]
    assert any("state" in each.parts for each in files)
    assert [each for each in files if stat.S_IMODE(each.stat().st_mode) & 0o077] == []
