"""`dagster asset materialize` on real servers: a day built, a day put right, an empty day, and nothing running."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from cassandra.cluster import Session
from confluent_kafka import Producer

from market_pipeline.batch.day_checks import daily_bar_faults
from market_pipeline.broker.client import client_config
from market_pipeline.broker.topics import TopicSpec, create_topic, list_topics
from market_pipeline.model import Trade, encode, trade_id
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.store.migrate import migrate
from market_pipeline_tests.kept_dagster import KeptDagster

pytestmark = [pytest.mark.real_servers, pytest.mark.timeout(600)]

DAY = date(2025, 11, 28)
"""A half day: New York closes at 18:00 UTC."""
CLOSE = datetime(2025, 11, 28, 18, tzinfo=UTC)
BTC, AAPL, EUR = "BINANCE:BTCUSDT", "AAPL", "OANDA:EUR_USD"
MATERIALIZE = ("asset", "materialize", "-m", "market_pipeline.definitions")


@pytest.fixture(scope="module")
def settings(servers: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A topic, a keyspace and a data dir of our own on the servers of the session."""
    own = Settings.load(
        data_dir=tmp_path_factory.mktemp("materialize"),
        port_base=servers.port_base,
        topic="materialize",
        keyspace="materialize",
    )
    create_topic(own, TopicSpec(own.topic, 2, 1))
    deadline = time.monotonic() + 30
    while own.topic not in {each.name for each in list_topics(own)}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    migrate(own)
    return own


@pytest.fixture(scope="module")
def session(settings: Settings) -> Iterator[Session]:
    with connect(settings) as opened:
        yield opened


TABLES = "not group:operations"
"""Every asset but the reports, which look at the whole pipeline and compact it."""


def trade(symbol: str, seconds: float, price: str, volume: str, number: int) -> Trade:
    ts = int((datetime(2025, 11, 28, tzinfo=UTC).timestamp() + seconds) * 1000)
    received_at = ts * 1000 + number
    return Trade(symbol, Decimal(price), Decimal(volume), ts, trade_id(received_at, number), 0, "replay", received_at)


TRADES = [
    trade(BTC, 0.5, "39432.48", "0.000263", 1),
    trade(BTC, 30, "39550.0", "1.5", 2),
    trade(BTC, 30, "39550.0", "1.5", 3),  # a twin: equal in everything but its id
    trade(BTC, 59.9, "39491.76", "0.25", 4),
    trade(BTC, 86_399.9, "39000.01", "2", 5),
    trade(AAPL, 14.4 * 3600, "270.00", "10", 6),  # pre-market
    trade(AAPL, 14.6 * 3600, "271.50", "100", 7),
    trade(AAPL, 17.9 * 3600, "272.25", "50", 8),
    trade(AAPL, 18.5 * 3600, "999.00", "1", 9),  # after the early close
    trade(EUR, 3600, "1.05123", "0", 10),
    trade(EUR, 3660, "1.05200", "0", 11),
]
REJECTED = [b"\xff not json", encode(TRADES[0]).replace(b'"price":39432.48', b'"price":-1')]


def home_of(settings: Settings, name: str = "home") -> Path:
    folder = settings.data_dir / name
    folder.mkdir(exist_ok=True)
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return folder


def typed(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, as a user types it."""
    variables = dict(settings.environment()) | {"DAGSTER_HOME": str(home_of(settings)), "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        [sys.executable, "-m", "dagster", *MATERIALIZE, *arguments], env=os.environ | variables, cwd=settings.data_dir,
        capture_output=True, text=True, check=False, timeout=400,
    )  # fmt: skip


class Runs:
    """The same command on the day's tables, in the process that is kept."""

    def __init__(self, dagster: KeptDagster, settings: Settings) -> None:
        self._dagster = dagster
        self._settings = settings

    def materialize(self, *arguments: str, home: str = "home") -> None:
        self._dagster.run(self._settings, *MATERIALIZE, *arguments, home=home_of(self._settings, home))

    def job(self, name: str, *arguments: str) -> None:
        command = ("job", "execute", "-m", "market_pipeline.definitions", "-j", name)
        self._dagster.run(self._settings, *command, *arguments, home=home_of(self._settings))


@pytest.fixture
def runs(dagster: KeptDagster, settings: Settings) -> Runs:
    return Runs(dagster, settings)


def metadata(settings: Settings, asset: str, home: str = "home") -> dict[str, dict[str, Any]]:
    """What Dagster keeps of the newest materialisation of each partition."""
    with dg.DagsterInstance.from_config(str(settings.data_dir / home)) as instance:
        found = instance.fetch_materializations(dg.AssetKey(asset), limit=100).records
        return {
            str(record.partition_key): {
                name: value.value for name, value in record.asset_materialization.metadata.items()
            }
            for record in reversed(found)
            if record.asset_materialization is not None
        }


def rows(session: Session, settings: Settings, table: str, columns: str = "*") -> list[Any]:
    return sorted(session.execute(f"SELECT {columns} FROM {settings.keyspace}.{table}"), key=str)


def snapshot(session: Session, settings: Settings) -> dict[str, list[Any]]:
    silver = "symbol, bucket, ts, trade_id, price, volume"
    return {
        "trades_silver": rows(session, settings, "trades_silver", silver),
        **{name: rows(session, settings, name) for name in ("latest_prices", "ohlcv_1m", "ohlcv_1d")},
        "symbol_daily_stats": rows(session, settings, "symbol_daily_stats"),
    }


@pytest.fixture(scope="module")
def built(settings: Settings, session: Session) -> dict[str, list[Any]]:
    """The whole day from nothing but Kafka; some trades are sent twice, as a producer does after a crash."""
    producer = Producer(client_config(settings))
    for value in [*(encode(each) for each in [*TRADES[::-1], *TRADES[:3]]), *REJECTED]:
        producer.produce(settings.topic, value, key=value[:20])
    assert producer.flush(30) == 0
    done = typed(settings, "--select", TABLES, "--partition", str(DAY))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return snapshot(session, settings)


def test_silver_has_each_trade_once(built: dict[str, list[Any]]) -> None:
    found = {row.trade_id: (row.symbol, row.price, row.volume) for row in built["trades_silver"]}
    assert found == {each.trade_id: (each.symbol, each.price, each.volume) for each in TRADES}


def test_minute_bars_and_the_day_are_exact(built: dict[str, list[Any]]) -> None:
    (minute,) = [row for row in built["ohlcv_1m"] if row.symbol == BTC and row.ts.hour == 0]
    assert (minute.open, minute.high, minute.low, minute.close) == tuple(
        map(Decimal, ("39432.48", "39550.0", "39432.48", "39491.76"))
    )
    assert (minute.volume, minute.trades) == (Decimal("3.250263"), 4)
    days = {row.symbol: row for row in built["ohlcv_1d"]}
    assert (days[BTC].close, days[BTC].volume, days[BTC].trades) == (Decimal("39000.01"), Decimal("5.250263"), 5)
    assert (days[EUR].volume, days[EUR].vwap, days[EUR].trades) == (0, None, 0)


def test_bars_are_judged_complete_where_no_down_time_is_known(built: dict[str, list[Any]]) -> None:
    assert {row.complete for row in (*built["ohlcv_1m"], *built["ohlcv_1d"])} == {True}


def test_the_newest_price_wins(built: dict[str, list[Any]]) -> None:
    assert {row.symbol: row.price for row in built["latest_prices"]} == {
        BTC: Decimal("39000.01"), AAPL: Decimal("999.00"), EUR: Decimal("1.05200"),
    }  # fmt: skip


def test_statistics_know_the_half_day(built: dict[str, list[Any]]) -> None:
    stats = {row.symbol: row for row in built["symbol_daily_stats"]}
    apple = stats[AAPL]
    assert (apple.regular_open, apple.regular_high, apple.regular_close) == tuple(
        map(Decimal, ("271.50", "272.25", "272.25"))
    )
    assert (apple.trades, apple.volume, apple.regular_volume) == (4, Decimal(161), Decimal(150))
    assert (apple.largest_price, apple.largest_volume) == (Decimal("271.50"), Decimal(100))
    assert apple.first_trade == datetime(2025, 11, 28, 14, 24)  # noqa: DTZ001 - Cassandra's driver gives UTC so
    assert apple.minutes_open == 13 * 60
    assert stats[BTC].regular_open is None
    assert stats[BTC].largest_at == datetime(2025, 11, 28, 23, 59, 59, 900_000)  # noqa: DTZ001
    assert (stats[EUR].price_updates, stats[EUR].trades, stats[EUR].largest_price) == (2, 0, None)
    assert stats[EUR].realised_volatility > 0


def test_each_materialisation_tells_its_figures(settings: Settings, built: dict[str, list[Any]]) -> None:
    expected = {
        "trades_raw": len(TRADES) + 3 + len(REJECTED) - 1,  # the rubbish has no time: it lies at Kafka's
        "trades_silver": len(TRADES), "latest_prices": 3, "ohlcv_1m": len(built["ohlcv_1m"]), "ohlcv_1d": 3,
        "symbol_daily_stats": 3,
    }  # fmt: skip
    for asset, count in expected.items():
        told = metadata(settings, asset)[str(DAY)]
        assert told["dagster/row_count"] == count, asset
        assert told["bytes"] > 0
        assert told["seconds"] > 0
        assert told["first trade"] <= told["last trade"]
        assert "data:image/svg+xml;base64," in told["chart"]
        assert len(told["chart"]) < 100_000
    assert metadata(settings, "trades_silver")[str(DAY)]["records that are no new trade"] == 4


CHECKS = {
    "trades_raw": {"no_offsets_lost"},
    "trades_silver": {"no_doubled_trade_id", "bronze_is_silver_plus_rejected"},
    "ohlcv_1m": {"bars_are_sane", "bar_volume_is_silver_volume", "stream_bars_are_batch_bars"},
    "ohlcv_1d": {"daily_bars_are_sane"},
}


def evaluations(settings: Settings) -> dict[str, tuple[bool, dict[str, Any]]]:
    """Of each check's newest run whether it passed and what it told."""
    keys = [dg.AssetCheckKey(dg.AssetKey(asset), name) for asset, names in CHECKS.items() for name in names]
    with dg.DagsterInstance.from_config(str(settings.data_dir / "home")) as instance:
        records = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    assert records.keys() == set(keys)
    return {
        key.name: (record.evaluation.passed, {name: each.value for name, each in record.evaluation.metadata.items()})
        for key, record in records.items()
        if record.evaluation is not None
    }


def test_every_check_ran_and_passed(settings: Settings, built: dict[str, list[Any]]) -> None:
    found = evaluations(settings)
    assert {name for name, (passed, _) in found.items() if passed} == {n for names in CHECKS.values() for n in names}
    told = {name: value for name, value in found["bronze_is_silver_plus_rejected"][1].items() if name != "days"}
    assert told == {"records": 15, "rejected": 1, "sent again": 3, "silver": 11, "missing": 0, "expired": 0}
    assert found["no_doubled_trade_id"][1]["rows"] == len(TRADES)


def test_a_rebuild_puts_right_what_is_wrong_and_removes_what_should_not_be(
    settings: Settings, session: Session, built: dict[str, list[Any]], runs: Runs
) -> None:
    keyspace, wrong = settings.keyspace, built["trades_silver"][0]
    late, doubled = CLOSE + timedelta(hours=2), TRADES[0]
    for statement, values in [
        ("INSERT INTO {k}.trades_silver (symbol, bucket, ts, trade_id, price, volume) VALUES (%s, %s, %s, 'x', 1, 1)",
         (wrong.symbol, wrong.bucket, wrong.ts)),
        ("INSERT INTO {k}.trades_silver (symbol, bucket, ts, trade_id, price, volume) VALUES (%s, %s, %s, 'y', 1, 1)",
         (BTC, datetime(2025, 11, 28, 7, tzinfo=UTC), datetime(2025, 11, 28, 7, 30, tzinfo=UTC))),
        ("INSERT INTO {k}.trades_silver (symbol, bucket, ts, trade_id, price, volume) VALUES (%s, %s, %s, %s, 1, 1)",
         (AAPL, datetime(2025, 11, 28, 15, tzinfo=UTC), datetime(2025, 11, 28, 15, 30, tzinfo=UTC), doubled.trade_id)),
        ("DELETE FROM {k}.trades_silver WHERE symbol = %s AND bucket = %s",
         (EUR, datetime(2025, 11, 28, 1, tzinfo=UTC))),
        ("UPDATE {k}.ohlcv_1m SET high = 1e6 WHERE symbol = %s AND day = %s AND ts = %s",
         (BTC, DAY, datetime(2025, 11, 28, tzinfo=UTC))),
        ("INSERT INTO {k}.ohlcv_1m (symbol, day, ts, open, trades) VALUES (%s, %s, %s, 1, 1)", (AAPL, DAY, late)),
        ("INSERT INTO {k}.ohlcv_1d (symbol, day, open) VALUES ('GONE', %s, 1)", (DAY,)),
        ("INSERT INTO {k}.symbol_daily_stats (symbol, day, trades) VALUES ('GONE', %s, 1)", (DAY,)),
        ("INSERT INTO {k}.latest_prices (symbol, ts, price, volume, trade_id) VALUES (%s, %s, 5, 5, 'false') "
         "USING TIMESTAMP %s", (AAPL, late, int(late.timestamp() * 1_000_000))),
        ("INSERT INTO {k}.latest_prices (symbol, ts, price, volume, trade_id) VALUES ('GONE', %s, 5, 5, 'false') "
         "USING TIMESTAMP %s", (late, int(late.timestamp() * 1_000_000))),
    ]:  # fmt: skip
        session.execute(statement.format(k=keyspace), values)
    assert snapshot(session, settings) != built
    every_check_names_its_fault(settings, doubled, runs)
    runs.materialize("--select", TABLES, "--partition-range", f"{DAY}...{DAY + timedelta(days=1)}")
    assert snapshot(session, settings) == built
    assert metadata(settings, "trades_silver")[str(DAY)]["rows removed"] == 3
    assert metadata(settings, "trades_silver")[str(DAY)]["kept, unexplained"] == 0
    assert metadata(settings, "ohlcv_1m")[str(DAY)]["bars repaired"] == 1
    assert metadata(settings, "latest_prices")[str(DAY)]["false prices replaced"] == 2


def test_bars_that_somebody_deleted_or_wrote_are_written_again(
    settings: Settings, session: Session, built: dict[str, list[Any]], runs: Runs
) -> None:
    """Whoever does that in cqlsh has a later write time than the bar's trades give it."""
    deleted = "DELETE FROM {k}.ohlcv_1m WHERE symbol = %s AND day = %s"
    session.execute(deleted.format(k=settings.keyspace), (EUR, DAY))
    doubled = "UPDATE {k}.ohlcv_1m SET trades = 99, vwap = 1 WHERE symbol = %s AND day = %s AND ts = %s"
    session.execute(doubled.format(k=settings.keyspace), (BTC, DAY, datetime(2025, 11, 28, tzinfo=UTC)))
    assert snapshot(session, settings) != built
    runs.materialize("--select", "ohlcv_1m", "--partition", str(DAY))
    assert snapshot(session, settings) == built


def every_check_names_its_fault(settings: Settings, doubled: Trade, runs: Runs) -> None:
    """The day as it was broken above, judged as the schedule does before anything is repaired."""
    partition = json.dumps({"dagster/partition": str(DAY)})
    runs.job("daily_checks", "--tags", partition)
    found = evaluations(settings)
    for name, fault in {
        "no_doubled_trade_id": f"{doubled.trade_id}: ",
        "bars_are_sane": "AAPL 2025-11-28 20:00 has no high, low, close, volume",
        "bar_volume_is_silver_volume": "BINANCE:BTCUSDT 2025-11-28 07:00: bars 0, trades 1",
        "stream_bars_are_batch_bars": "BINANCE:BTCUSDT 2025-11-28 00:00 high: stream 1E+6, batch 39550",
    }.items():
        passed, told = found[name]
        assert not passed, name
        assert fault in told["first faults"], told
    passed, told = found["bronze_is_silver_plus_rejected"]
    # two rows too many, one doubled, and two of EUR's missing
    assert (passed, told["silver"], told["missing"]) == (False, 12, -1)
    _, faults = daily_bar_faults(settings, DAY, datetime.now(UTC))
    assert {fault.symbol for fault in faults} == {BTC, AAPL, "GONE"}


def test_bars_of_a_down_time_are_incomplete_by_the_batch_and_quiet_minutes_unknown(
    settings: Settings, session: Session, built: dict[str, list[Any]], runs: Runs
) -> None:
    """The second of the two minutes of EUR/USD, and one in which nothing came; the row alone, as if the producer could
    not mark the bars."""
    minutes = f"SELECT ts, complete FROM {settings.keyspace}.ohlcv_1m WHERE symbol = %s AND day = %s ORDER BY ts"
    session.execute(
        f"INSERT INTO {settings.keyspace}.feed_gaps (symbol, day, started_at, ended_at, reason) "
        "VALUES (%s, %s, %s, %s, 'test')",
        (EUR, DAY, datetime(2025, 11, 28, 1, 1, 30, tzinfo=UTC), datetime(2025, 11, 28, 1, 2, 30, tzinfo=UTC)),
    )
    runs.materialize("--select", "ohlcv_1m,ohlcv_1d,symbol_daily_stats", "--partition", str(DAY))
    assert [row.complete for row in session.execute(minutes, (EUR, DAY))] == [True, False]
    assert {row.symbol: row.complete for row in rows(session, settings, "ohlcv_1d")} == {
        BTC: True, AAPL: True, EUR: False,
    }  # fmt: skip
    stats = {row.symbol: row for row in rows(session, settings, "symbol_daily_stats")}
    # forex trades until 17:00 in New York
    assert stats[EUR].minutes_open == 22 * 60
    assert (stats[EUR].minutes_traded, stats[EUR].minutes_quiet, stats[EUR].minutes_unknown) == (2, 22 * 60 - 3, 1)
    assert stats[EUR].gap_seconds == 60
    assert metadata(settings, "ohlcv_1m")[str(DAY)]["bars incomplete"] == 1


def test_what_bronze_has_no_file_of_is_kept_and_told(
    settings: Settings, session: Session, built: dict[str, list[Any]], runs: Runs
) -> None:
    """Kafka may have lost a day before it was archived: then Cassandra has the only copies."""
    day, at = date(2025, 11, 12), datetime(2025, 11, 12, 7, 30, tzinfo=UTC)
    hour = at.replace(minute=0)
    session.execute(
        f"INSERT INTO {settings.keyspace}.trades_silver (symbol, bucket, ts, trade_id, price, volume) "
        "VALUES (%s, %s, %s, 'only', 1, 1)", (BTC, hour, at),
    )  # fmt: skip
    session.execute(
        f"INSERT INTO {settings.keyspace}.ohlcv_1m (symbol, day, ts, open, trades) VALUES (%s, %s, %s, 1, 1)",
        (BTC, day, at),
    )
    runs.materialize("--select", "trades_silver,ohlcv_1m", "--partition", str(day))
    ask = f"SELECT trade_id FROM {settings.keyspace}.trades_silver WHERE symbol = %s AND bucket = %s"
    assert [row.trade_id for row in session.execute(ask, (BTC, hour))] == ["only"]
    for asset in ("trades_silver", "ohlcv_1m"):
        told = metadata(settings, asset)[str(day)]
        assert told["kept, unexplained"] == 1
        assert told["note"] == "no trades on this day: 0 rows"
    session.execute(f"DELETE FROM {settings.keyspace}.trades_silver WHERE symbol = %s AND bucket = %s", (BTC, hour))
    session.execute(f"DELETE FROM {settings.keyspace}.ohlcv_1m WHERE symbol = %s AND day = %s", (BTC, day))


def test_an_empty_day_is_a_success_and_says_so(settings: Settings, built: dict[str, list[Any]], runs: Runs) -> None:
    runs.materialize("--select", "ohlcv_1d,trades_raw", "--partition", "2025-11-10")
    for asset in ("ohlcv_1d", "trades_raw"):
        told = metadata(settings, asset)["2025-11-10"]
        assert told["dagster/row_count"] == 0
        assert told["note"] == "no trades on this day: 0 rows"


def test_a_range_of_thirty_days_is_one_run(settings: Settings, built: dict[str, list[Any]], runs: Runs) -> None:
    runs.materialize("--select", "symbol_daily_stats", "--partition-range", "2025-11-01...2025-11-30", home="range")
    told = metadata(settings, "symbol_daily_stats", home="range")
    assert len(told) == 30
    assert {day: each["dagster/row_count"] for day, each in told.items() if each["dagster/row_count"]} == {str(DAY): 3}


def test_without_a_pipeline_there_is_one_clear_line(tmp_path: Path, refusing_port: int) -> None:
    nothing = Settings.load(
        data_dir=tmp_path,
        kafka_bootstrap_servers=f"127.0.0.1:{refusing_port}",
        cassandra_contact_points=("127.0.0.1",),
        cassandra_port=refusing_port,
    )
    done = typed(nothing, "--select", "ohlcv_1d", "--partition", "2025-11-10")
    assert done.returncode != 0
    *_, clear, last = (line for line in done.stderr.splitlines() if line.strip())
    assert f"Kafka does not answer at 127.0.0.1:{refusing_port}" in clear
    assert "check KAFKA_BOOTSTRAP_SERVERS" in clear
    assert last.startswith("Error: ")
    assert "cimpl.KafkaException" not in done.stdout + done.stderr
