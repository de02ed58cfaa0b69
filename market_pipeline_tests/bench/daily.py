"""A day's bars from bronze: the batch, DuckDB and Polars on the same Parquet."""

import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from market_pipeline.batch.exact_vwap import with_exact_vwap
from market_pipeline.bronze.layout import SCHEMA, file_name, hour_folder
from market_pipeline.bronze.trades import trades_of_day
from market_pipeline.settings import Settings
from market_pipeline.stream.batch_session import open_batch_session
from market_pipeline.stream.transforms import to_bars, to_day_rows
from market_pipeline_tests.bench.arms import OTHER_PYTHON
from market_pipeline_tests.bench.servers import free_base, say

BATCH = "the batch (Spark), exact"
OTHERS = {"DuckDB, VWAP in floating point": "duckdb", "Polars, all in floating point": "polars"}
SYMBOLS = 50
HOURS = 24
LAST = date(2025, 11, 30)
SCRIPT = Path(__file__).parent / "alternatives" / "day_bars.py"


def measure(folder: Path, *, days: int, trades: int) -> dict[str, Any]:
    """Seconds of each day by each way; the first day of Spark has the start of its compiled code in it."""
    settings = archive_of(folder, days, trades)
    every = [LAST - timedelta(days=back) for back in range(days)]
    say(f"{days} days of {trades:,} trades: {BATCH}")
    seconds = {BATCH: by_spark(settings, every)}
    for name, way in OTHERS.items():
        say(f"{days} days of {trades:,} trades: {name}")
        seconds[name] = by_other(settings, way, every)
    return {"days": days, "trades": trades, "symbols": SYMBOLS, "seconds": seconds}


def archive_of(folder: Path, days: int, trades: int) -> Settings:
    """A data dir with an archive of so many days, each with so many trades."""
    settings = Settings.load(data_dir=folder, port_base=free_base(), feed="simulator")
    say(f"writing {days} days of {trades:,} trades")
    for back in range(days):
        _write_day(settings.paths.bronze, LAST - timedelta(days=back), trades, seed=back)
    return settings


def by_spark(settings: Settings, days: Sequence[date]) -> list[float]:
    """Seconds a day, in one session; writing to Cassandra is left out."""
    settings.paths.run.mkdir(parents=True, exist_ok=True)
    session = open_batch_session(settings, {})
    try:
        taken = []
        for day in days:
            began = time.perf_counter()
            found = trades_of_day(session.spark, settings, day)
            assert found is not None
            bars = [with_exact_vwap(row.asDict()) for row in to_day_rows(to_bars(found, "1 day")).toLocalIterator()]
            taken.append(time.perf_counter() - began)
            _check(len(bars))
        return taken
    finally:
        session.stop()


def by_other(settings: Settings, way: str, days: Sequence[date]) -> list[float]:
    patterns = [str(settings.paths.bronze / f"date={day}" / "*" / "*.parquet") for day in days]
    done = subprocess.run(
        [OTHER_PYTHON, SCRIPT, way, *patterns], capture_output=True, text=True, check=False
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{way} failed:\n{done.stderr[-2000:]}")
    rows = [line.split() for line in done.stdout.splitlines()]
    for bars, _ in rows:
        _check(int(bars))
    return [float(seconds) for _, seconds in rows]


def _check(bars: int) -> None:
    if bars != SYMBOLS:
        raise SystemExit(f"{bars} bars, and there are {SYMBOLS} symbols")


def _write_day(root: Path, day: date, trades: int, seed: int) -> None:
    """Records as the producer encodes them, in a file an hour as the archive has them."""
    rng = np.random.default_rng(seed)
    start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    for hour in range(HOURS):
        count = trades // HOURS + (hour < trades % HOURS)
        ts = np.sort(rng.integers(0, 3_600_000, count)) + start + hour * 3_600_000
        received = ts * 1000 + np.arange(count) % 1000
        values = _encoded(ts, received, rng.integers(0, SYMBOLS, count), rng, count)
        moments = pa.array(ts, pa.timestamp("ms", tz="UTC"))
        places = (np.zeros(count, np.int32), np.arange(count, dtype=np.int64))
        table = pa.table([values, *map(pa.array, places), moments], schema=SCHEMA)
        file = root / hour_folder(start // 3_600_000 + hour) / file_name(1)
        file.parent.mkdir(parents=True)
        pq.write_table(table, file, compression="zstd")


def _encoded(ts: Any, received: Any, symbols: Any, rng: Any, count: int) -> pa.Array:
    def texts(numbers: Any) -> pa.Array:
        return pa.array(numbers).cast(pa.string())

    ids = pc.binary_join_element_wise(texts(received), pc.utf8_lpad(texts(np.arange(count) % 100_000), 5, "0"), "-")
    cents = rng.integers(9_000, 11_000, count)
    parts = [
        '{"symbol":"BENCH:', texts(symbols), '","price":', texts(cents // 100), ".",
        pc.utf8_lpad(texts(cents % 100), 2, "0"), ',"volume":', texts(rng.integers(1, 900, count)),
        ',"ts":', texts(ts), ',"conditions":[],"trade_id":"', ids, '","seq":0,"source":"simulator","received_at":',
        texts(received), "}",
    ]  # fmt: skip
    columns = [pa.scalar(part) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*columns, "").cast(pa.binary())
