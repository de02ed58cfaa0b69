"""Where a record lies in the archive, and which files count whatever a compaction was cut short at."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.bronze.layout import (
    HOUR_MS,
    LATEST_MS,
    event_ms,
    file_name,
    files_of_day,
    hour_folder,
    hour_of,
    parse_file,
    split_superseded,
)
from market_pipeline.model import RejectedTrade, Trade, decode, encode, trade_id

TS = 1_763_000_000_000


def record(**changes: object) -> bytes:
    base = {
        "symbol": "AAPL", "price": 1.5, "volume": 2, "ts": TS, "conditions": [], "trade_id": "1", "seq": 0,
        "source": "replay", "received_at": TS * 1000,
    }  # fmt: skip
    return json.dumps({name: value for name, value in (base | changes).items() if value is not ...}).encode()


@given(
    symbol=st.text(min_size=1, max_size=20),
    conditions=st.lists(st.text(max_size=5), max_size=3),
    ts=st.integers(946_684_800_000, 4_000_000_000_000),
    price=st.decimals("0.0001", "99999", places=4),
)
def test_a_trade_lies_at_its_own_time(symbol: str, conditions: list[str], ts: int, price: Decimal) -> None:
    received_at = ts * 1000
    trade = Trade(
        symbol, price, Decimal(1), ts, trade_id(received_at, 0), 0, "simulator", received_at, tuple(conditions)
    )
    assert event_ms(encode(trade)) == ts


@given(
    st.one_of(
        st.binary(max_size=60),
        st.fixed_dictionaries(
            {
                "ts": st.one_of(st.integers(), st.floats(), st.just(float(TS)), st.none(), st.text(max_size=3)),
                "received_at": st.one_of(st.integers(0, 10**18), st.floats(), st.none()),
            }
        ).map(lambda changes: record(**changes)),
    )
)
def test_whatever_the_model_takes_lies_at_its_own_time(value: bytes) -> None:
    try:
        expected = decode(value).ts
    except RejectedTrade:
        event_ms(value)  # no error, wherever it goes
        return
    assert event_ms(value) == (expected if expected <= LATEST_MS else None)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"ts":' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        record(ts=...),
        record(ts="2025-01-01"),
        record(ts=True, received_at=10**15),
        record(ts=0),
        record(ts=946_684_799_999),
        record(ts=TS + 60_001),
        record(ts=10**17, received_at=10**21),
    ],
)
def test_a_record_without_a_believable_time_has_none(value: bytes | None) -> None:
    assert event_ms(value) is None


@pytest.mark.parametrize("value", [record(ts=float(TS)), record(), record(price=-1), record(extra={"ts": 5})])
def test_a_rejected_record_with_a_time_lies_there_too(value: bytes) -> None:
    assert event_ms(value) == TS


@given(st.integers(0, LATEST_MS))
def test_folders_are_hours(ms: int) -> None:
    folder = hour_folder(ms // HOUR_MS)
    at = datetime.fromtimestamp(ms // 1000, UTC)
    assert str(folder) == f"date={at:%Y-%m-%d}/hour={at:%H}"
    assert hour_of(folder) == ms // HOUR_MS


def test_a_compacted_file_stands_for_the_commits_in_its_name() -> None:
    here, there = Path("date=2025-01-01/hour=00"), Path("date=2025-01-01/hour=01")
    names = [
        here / file_name(1),
        here / file_name(4),
        here / file_name(1, 4),
        here / file_name(5),
        there / file_name(4),
    ]
    live, superseded = split_superseded(file for name in names if (file := parse_file(name)))
    assert [file.path for file in superseded] == [here / file_name(1), here / file_name(4)]
    assert [file.path for file in live] == [here / file_name(1, 4), here / file_name(5), there / file_name(4)]


def test_a_second_compaction_stands_for_the_first() -> None:
    here = Path("date=2025-01-01/hour=00")
    names = [here / file_name(1, 4), here / file_name(5), here / file_name(1, 5)]
    live, superseded = split_superseded(file for name in names if (file := parse_file(name)))
    assert [file.path for file in live] == [here / file_name(1, 5)]
    assert len(superseded) == 2


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "date=2025-01-01" / "hour=05"
    folder.mkdir(parents=True)
    for name in ("notes.txt", "part-0.parquet", "trades-1.parquet", file_name(7)):
        (folder / name).touch()
    live, superseded = files_of_day(tmp_path, date(2025, 1, 1))
    assert [file.path.name for file in live] == [file_name(7)]
    assert superseded == []
