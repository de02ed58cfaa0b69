"""Parameters that are changed while the servers run, on a real Kafka and a real Cassandra."""

import pytest
from click.testing import CliRunner, Result

from market_pipeline.broker.client import BrokerUnreachableError
from market_pipeline.broker.topics import (
    TopicError,
    add_partitions,
    configure_topic,
    ensure_topics,
    list_topics,
    topic_configuration,
)
from market_pipeline.cli import main
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.tuning.apply import set_gc_grace
from market_pipeline.tuning.readback import HOUR_MS, read_back, tables

pytestmark = pytest.mark.real_servers

DAY_S = 86_400


def tune(settings: Settings, *arguments: str) -> Result:
    variables = dict(settings.environment()) | {
        "MARKET_PIPELINE_TOPIC": settings.topic,
        "MARKET_PIPELINE_DEAD_LETTER_TOPIC": settings.dead_letter_topic,
    }
    return CliRunner().invoke(main, ["tune", "apply", *arguments], env=variables)


def gc_graces(settings: Settings) -> dict[str, int]:
    with connect(settings) as session:
        return tables(session, settings)


def test_retention_is_changed_live_and_read_back_and_init_agrees(settings: Settings) -> None:
    only = ("--profile", "default", "--only", "log.retention.hours")
    dry = tune(settings, *only)
    assert dry.exit_code == 0, dry.output
    assert "log.retention.hours: 72 → 168 hours, live" in dry.stdout
    assert "a dry run: `market-pipeline tune apply --profile default --only log.retention.hours --really" in dry.stdout
    before = topic_configuration(settings, settings.topic)
    assert before["retention.ms"] == str(72 * HOUR_MS)

    done = tune(settings, *only, "--really")
    assert done.exit_code == 0, done.output
    assert "log.retention.hours: 72 → 168, read back" in done.stdout
    assert "MARKET_PIPELINE_KAFKA_RETENTION_HOURS=168 in .env keeps it" in done.stdout
    after = topic_configuration(settings, settings.topic)
    assert after == before | {"retention.ms": str(168 * HOUR_MS)}
    assert tune(settings, *only, "--really").stdout == "the servers have it all as in default\n"

    ensure_topics(settings.model_copy(update={"kafka_retention_hours": 168}))
    assert topic_configuration(settings, settings.topic) == after
    ensure_topics(settings)
    assert topic_configuration(settings, settings.topic) == before


def test_gc_grace_is_changed_in_every_table_and_read_back(settings: Settings) -> None:
    before = gc_graces(settings)
    assert set(before.values()) == {DAY_S}
    assert {
        "trades_silver",
        "latest_prices",
        "ohlcv_1m",
        "ohlcv_1d",
        "feed_gaps",
        "symbol_daily_stats",
    } <= before.keys()
    try:
        done = tune(settings, "--profile", "default", "--only", "gc_grace_seconds", "--really")
        assert done.exit_code == 0, done.output
        assert "gc_grace_seconds: 86,400 → 864,000, read back" in done.stdout
        assert gc_graces(settings) == dict.fromkeys(before, 10 * DAY_S)
    finally:
        set_gc_grace(settings, DAY_S)
    assert gc_graces(settings) == before
    assert read_back(settings)["gc_grace_seconds"]() == DAY_S


def test_partitions_are_added_and_never_taken_back(settings: Settings) -> None:
    add_partitions(settings, settings.topic, 5)
    assert {t.name: (t.partitions, t.leaderless) for t in list_topics(settings)}[settings.topic] == (5, 0)
    with pytest.raises(TopicError, match=f"topic {settings.topic} keeps its partitions: ") as refused:
        add_partitions(settings, settings.topic, 3)
    assert "\n" not in str(refused.value)


def test_what_needs_a_restart_is_refused_where_no_supervisor_is(settings: Settings) -> None:
    refused = tune(settings, "--profile", "tuned", "--only", "num.partitions", "--really")
    assert refused.exit_code == 1
    assert refused.stderr.startswith(
        "error: num.partitions is left as it is: it needs a restart of stream and producer"
    )
    assert refused.stderr.count("\n") == 1


def test_a_topic_that_is_not_there_and_a_kafka_that_is_away_are_one_line(
    settings: Settings, refusing_port: int
) -> None:
    with pytest.raises(TopicError, match="topic nowhere keeps its configuration: "):
        configure_topic(settings, "nowhere", {"retention.ms": "1"})
    absent = settings.model_copy(update={"kafka_bootstrap_servers": f"127.0.0.1:{refusing_port}"})
    with pytest.raises(BrokerUnreachableError):
        configure_topic(absent, settings.topic, {"retention.ms": "1"})
