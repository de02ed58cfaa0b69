"""What the process that reads silver answers, and what is made of an answer that breaks off."""

import io
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from market_pipeline.quality.columns import COLUMNS
from market_pipeline.reconcile.silver_reader import SilverReader, SilverUnreadable, read_answer, write_answer
from market_pipeline.settings import Settings

DAY = date(2025, 11, 28)


def answer(batches: int) -> bytes:
    out = io.BytesIO()
    write_answer(out, [batch(number) for number in range(batches)])
    return out.getvalue()


def batch(number: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(
        [{"symbol": "A", "ts": number, "trade_id": str(number), "price": 1, "volume": 2, "seq": 0, "received_at": 3}],
        schema=COLUMNS,
    )


@pytest.mark.parametrize("batches", [0, 1, 3])
def test_an_answer_is_read_as_it_was_written(batches: int) -> None:
    assert list(read_answer(io.BytesIO(answer(batches)))) == [batch(number) for number in range(batches)]


def test_the_next_answer_begins_where_one_ends() -> None:
    source = io.BytesIO(answer(2) + answer(1))
    assert [len(list(read_answer(source))) for _ in range(2)] == [2, 1]


def test_an_answer_that_breaks_off_anywhere_is_an_error() -> None:
    whole = answer(3)
    for end in range(len(whole)):
        with pytest.raises((OSError, pa.ArrowInvalid)):
            list(read_answer(io.BytesIO(whole[:end])))


def test_a_cassandra_that_is_away_is_named_in_one_line(tmp_path: Path, free_port_base: Callable[[], int]) -> None:
    settings = Settings.load(data_dir=tmp_path, port_base=free_port_base())
    with SilverReader(settings) as reader, pytest.raises(SilverUnreadable) as raised:
        list(reader.batches(DAY, ["AAPL"]))
    assert str(raised.value).startswith(f"Cassandra does not answer at 127.0.0.1:{settings.cql_port}")
    assert "\n" not in str(raised.value)
