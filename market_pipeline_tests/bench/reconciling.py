"""How many trades a second ``reconcile`` compares: a day that is on every hop, read once."""

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args

from market_pipeline.broker.topics import ensure_topics
from market_pipeline.feed.journal import read_frames
from market_pipeline.feed.journal.frame import encode_frame, segment_header
from market_pipeline.feed.journal.segment import segment_path
from market_pipeline.feed.normalise import trades_of
from market_pipeline.model import Trade
from market_pipeline.quality.bar_sums import BarSums
from market_pipeline.quality.columns import of_trades
from market_pipeline.quality.latest import NewestTrades
from market_pipeline.reconcile import reconcile
from market_pipeline.settings import Settings
from market_pipeline.store.migrate import migrate
from market_pipeline.store.trade_key import silver_key
from market_pipeline.utc_day import day_start, instant
from market_pipeline_tests.bench.trades import produce

SYMBOLS = 20
HOURS = 6
FRAMES_A_SEGMENT = 20_000
BATCH = 20_000
CONCURRENCY = 64


@dataclass(frozen=True)
class Reconciled:
    """One comparison; seconds of the wall clock and of CPU in this process, the servers' left out."""

    trades: int
    seconds: float
    cpu_s: float

    def __str__(self) -> str:
        return (
            f"reconcile: {self.trades:,} trades in {self.seconds:.1f} s, {self.trades / self.seconds:,.0f} trades/s, "
            f"{self.cpu_s / self.trades * 1e6:.0f} µs of CPU a trade"
        )


def measure(settings: Settings, session: Session, trades: int, folder: Path) -> Reconciled:
    """Put so many trades of yesterday on every hop of a pipeline of its own, on servers that run, and compare them."""
    name = f"reconcile_{trades}"
    own = Settings.load(
        data_dir=folder, port_base=settings.port_base, feed="simulator", topic=name, dead_letter_topic=f"{name}_dlq",
        keyspace=name,
    )  # fmt: skip
    ensure_topics(own)
    migrate(own)
    day = datetime.now(UTC).date() - timedelta(days=1)
    own.paths.journal.mkdir(parents=True)
    _receive(own.paths.journal, day, trades)
    _pass_on(own, session)
    reconcile(own, day)  # the archive is brought up to date every ten minutes; this is not what is measured
    began, cpu = time.monotonic(), time.process_time()
    report = reconcile(own, day)
    if not report.clean or report.counts["silver"] != trades:
        raise SystemExit(f"the bench's own day is not equal on every hop: {report.counts}")
    return Reconciled(trades, time.monotonic() - began, time.process_time() - cpu)


def _receive(journal: Path, day: date, trades: int) -> None:
    """Frames as the vendor sends them, of one to twelve trades."""
    rng = random.Random(7)
    first = int(day_start(day).timestamp() * 1000) + 10 * 3_600_000
    parts: list[bytes] = []
    name, number = 0, 0
    while number < trades:
        data = [
            {
                "c": rng.choice((None, ["1", "12"])),
                "p": round(rng.uniform(90, 110), 2),
                "s": f"BENCH:R{rng.randrange(SYMBOLS)}",
                "t": first + each * HOURS * 3_600_000 // trades,
                "v": round(rng.uniform(0.001, 3), 6),
            }
            for each in range(number, min(trades, number + rng.randint(1, 12)))
        ]
        number += len(data)
        received_at = int(str(data[-1]["t"])) * 1000 + 500 + len(parts) % 100
        name = name or received_at
        parts.append(
            encode_frame(received_at, json.dumps({"data": data, "type": "trade"}, separators=(",", ":")).encode())
        )
        if len(parts) == FRAMES_A_SEGMENT or number == trades:
            segment_path(journal, name).write_bytes(segment_header("simulator") + b"".join(parts))
            parts, name = [], 0


def _pass_on(settings: Settings, session: Session) -> None:
    """What producer and stream would make of the journal."""
    insert = session.prepare(
        f"INSERT INTO {settings.keyspace}.trades_silver (symbol, bucket, ts, trade_id, price, volume, received_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)"
    )
    bars, newest = BarSums(), NewestTrades()
    for trades in _batches(settings):
        produce(settings, trades)
        rows = [(*silver_key(t), t.price, t.volume, instant(t.received_at // 1000)) for t in trades]
        execute_concurrent_with_args(session, insert, rows, concurrency=CONCURRENCY)
        columns = of_trades(trades)
        bars.add(columns)
        newest.add(columns)
    insert = session.prepare(
        f"INSERT INTO {settings.keyspace}.ohlcv_1m (symbol, day, ts, volume, trades) VALUES (?, ?, ?, ?, ?)"
    )
    sums = bars.settled().items()
    rows = [(symbol, instant(at).date(), instant(at), bar.volume, bar.trades) for (symbol, at), bar in sums]
    execute_concurrent_with_args(session, insert, rows, concurrency=CONCURRENCY)
    insert = session.prepare(
        f"INSERT INTO {settings.keyspace}.latest_prices (symbol, ts, trade_id, price, volume) VALUES (?, ?, ?, ?, ?)"
    )
    for symbol, price, _ in newest.found():
        session.execute(insert, (symbol, instant(price.ts), price.trade_id, price.price, price.volume))


def _batches(settings: Settings) -> Iterator[list[Trade]]:
    trades: list[Trade] = []
    for item in trades_of(read_frames(settings.paths.journal), settings.active_feed):
        assert isinstance(item, Trade)
        trades.append(item)
        if len(trades) == BATCH:
            yield trades
            trades = []
    yield trades
