"""The fixture itself: the servers of the session are the real ones, ready to use."""

import subprocess
import time
import uuid
from pathlib import Path
from types import ModuleType

import pytest
from confluent_kafka import Producer

from market_pipeline.broker.client import client_config
from market_pipeline.broker.topics import TopicSpec, create_topic, delete_topic, list_topics
from market_pipeline.local import cassandra, class_archive, kafka
from market_pipeline.local.java import java_home
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.supervision.lock import holder
from market_pipeline.supervision.servers import RATE_OVER_S, cassandra_status, kafka_status

pytestmark = pytest.mark.real_servers


def test_kafka_has_the_pipelines_topics(servers: Settings) -> None:
    assert {topic.name for topic in list_topics(servers)} >= {servers.topic, servers.dead_letter_topic}


def test_cassandra_has_the_pipelines_tables(servers: Settings) -> None:
    with connect(servers) as session:
        rows = session.execute(
            "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", (servers.keyspace,)
        )
        names = {row.table_name for row in rows}
    assert names >= {"trades_silver", "latest_prices", "ohlcv_1m", "ohlcv_1d", "feed_gaps"}


@pytest.mark.parametrize(
    ("server", "main"), [(kafka, "kafka/Kafka"), (cassandra, "org/apache/cassandra/service/CassandraDaemon")]
)
def test_the_class_path_of_a_server_is_that_of_its_archive(
    server: ModuleType, main: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(class_archive, "class_list", lambda name: f"java/lang/Object\n{main}\n".encode())
    settings = Settings.load(data_dir=tmp_path / "data")
    made = class_archive.class_archive(server.__name__.rpartition(".")[2], java_home(settings)).make()
    java, arguments, *_ = server.start_command(settings)
    assert f"-XX:SharedArchiveFile={made}" in Path(arguments.removeprefix("@")).read_text()
    # Java says what does not fit where it may not go on without the archive
    done = subprocess.run(
        [java, arguments, "-Xshare:on", "-version"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("server", ["kafka", "cassandra"])
def test_each_server_holds_its_lock(servers: Settings, server: str) -> None:
    assert holder(servers.paths.lock(server))


def test_the_rate_is_that_of_the_last_minute(servers: Settings) -> None:
    mine = servers.model_copy(update={"topic": f"rate_{uuid.uuid4().hex[:8]}"})
    create_topic(mine, TopicSpec(mine.topic, 3, 1))
    try:
        told = kafka_status(mine)
        assert (told.fault, told.rate) == (None, 0)
        producer, now_ms = Producer(client_config(mine)), time.time_ns() // 1_000_000
        for written_ms in (now_ms - 2 * RATE_OVER_S * 1000, now_ms):
            for number in range(120):
                producer.produce(mine.topic, key=str(number), value="x", timestamp=written_ms)
            assert producer.flush(20) == 0
        told = kafka_status(mine)
        assert (sum(told.end.values()), told.rate) == (240, 2.0)
    finally:
        delete_topic(mine, mine.topic)


def test_the_newest_trade_is_as_old_as_its_receipt(servers: Settings) -> None:
    """A replayed trade keeps the id of its recording and is received now."""
    now_ms = time.time_ns() // 1_000_000
    symbol, trade_id = f"REPLAYED-{uuid.uuid4().hex[:8]}", f"{9 * 10**15:016d}-00000"
    ts, hour = now_ms - 5 * 3_600_000, (now_ms - 5 * 3_600_000) // 3_600_000 * 3_600_000
    with connect(servers) as session:
        latest = f"INSERT INTO {servers.keyspace}.latest_prices (symbol, ts, trade_id, price, volume) "
        silver = f"INSERT INTO {servers.keyspace}.trades_silver (symbol, bucket, ts, trade_id, received_at) "
        session.execute(latest + "VALUES (%s, %s, %s, 1, 1)", (symbol, ts, trade_id))
        try:
            session.execute(silver + "VALUES (%s, %s, %s, %s, %s)", (symbol, hour, ts, trade_id, now_ms - 1_000))
            age_s = cassandra_status(servers).newest_trade_age_s
        finally:
            session.execute(f"DELETE FROM {servers.keyspace}.latest_prices WHERE symbol = %s", (symbol,))
    assert age_s is not None
    assert 1 <= age_s <= (time.time_ns() // 1_000_000 - now_ms) / 1000 + 1
