"""The fixture itself: the servers of the session are the real ones, ready to use."""

import pytest

from market_pipeline.broker.topics import list_topics
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.supervision.lock import holder

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


@pytest.mark.parametrize("server", ["kafka", "cassandra"])
def test_each_server_holds_its_lock(servers: Settings, server: str) -> None:
    assert holder(servers.paths.lock(server))
