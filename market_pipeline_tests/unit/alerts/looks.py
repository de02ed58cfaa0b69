"""A look at a pipeline that is well, from which tests make those that are not."""

from datetime import UTC, datetime

from market_pipeline.alerts.look import DeadLetters, Look, Runs
from market_pipeline.local.processes import ProcessStatus
from market_pipeline.local.snapshot import FeedStatus, Snapshot, StreamStatus
from market_pipeline.supervision.disk import Disk
from market_pipeline.supervision.servers import CassandraStatus, KafkaStatus

BUSY = datetime(2026, 11, 24, 15, tzinfo=UTC).timestamp()  # a Tuesday, 10:00 in New York
RUNNING = ProcessStatus(7, "RUNNING", 1000.0, 0, None, 90.0, 0.5)
WELL = Look(
    now=BUSY,
    feed="finnhub",
    symbols=("AAPL", "BINANCE:BTCUSDT"),
    supervised=True,
    snapshot=Snapshot(
        at=BUSY,
        data_dir="/data",
        supervisor=1,
        processes={"producer": RUNNING, "stream": RUNNING},
        feed=FeedStatus(
            "finnhub",
            connected=True,
            received=9,
            last_received_age_s=1.0,
            journal={"bytes": 4_000_000, "unconfirmed_frames": 1, "oldest_unconfirmed_age_s": 0.01},
            clock_is_slow=False,
        ),
        kafka=KafkaStatus(live=True, begin={0: 0}, end={0: 9}, rate=1.0),
        stream=StreamStatus(
            mode="real-time",
            phase="running",
            lag=0,
            newest_event_age_s=1.0,
            last_progress_age_s=9.0,
        ),
        cassandra=CassandraStatus(live=True, version="5.0", newest_trade_age_s=1.0),
    ),
    arrivals=500,
    leaderless=0,
    delays_s=(0.02, 0.03),
    vendor_delays_s=(0.1, 0.2),
    dead_letters=DeadLetters(0),
    lags=[(BUSY - 30.0 * back, 0.0) for back in reversed(range(20))],
    journal_limit=4 * 2**30,
    runs=Runs(jobs={"archive": None}, checks={"trades_raw:no_offsets_lost": None}, schedules={"hourly": None}),
    disk=Disk(100, 50, {"market_data.trades_silver": 7}, 0),
)
