"""The bronze archive on a real Kafka, each test on a topic of its own."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition

from market_pipeline.broker.client import admin, client_config
from market_pipeline.broker.topics import TopicError, TopicSpec, create_topic, delete_topic, list_topics
from market_pipeline.bronze import archive
from market_pipeline.bronze.archive import OffsetsLost, archive_new, bronze_days, read_day
from market_pipeline.model import Trade, encode, trade_id
from market_pipeline.settings import Settings
from market_pipeline_tests.ending import ended
from market_pipeline_tests.waiting import wait_for

pytestmark = pytest.mark.real_servers

AT_MS = 1_763_000_000_000


@pytest.fixture
def settings(servers: Settings, tmp_path: Path) -> Iterator[Settings]:
    topic = f"archive-{tmp_path.name}-{random.randrange(10**9)}"
    own = Settings.load(data_dir=tmp_path, port_base=servers.port_base, topic=topic)
    create_topic(own, TopicSpec(topic, 2, 1))
    wait_for(lambda: topic in {each.name for each in list_topics(own)}, "the topic")
    yield own
    if topic in {each.name for each in list_topics(own)}:
        delete_topic(own, topic)


def trade(number: int) -> bytes:
    ts = AT_MS + number * 40
    received_at = ts * 1000
    price = Decimal("189.50") + number % 100
    return encode(Trade("AAPL", price, Decimal(1), ts, trade_id(received_at, 0), 0, "replay", received_at))


def produce(settings: Settings, values: list[bytes], partition: int | None = None) -> None:
    producer = Producer(client_config(settings) | {"linger.ms": 5})
    for number, value in enumerate(values):
        producer.produce(settings.topic, value, partition=number % 2 if partition is None else partition)
        if number % 10_000 == 0:
            producer.poll(0.05)
    assert producer.flush(60) == 0


def held(settings: Settings) -> Counter[bytes]:
    return Counter(value for day in bronze_days(settings) for value in read_day(settings, day))


def command(settings: Settings, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "market_pipeline.cli", "archive", *arguments]


def environment(settings: Settings) -> dict[str, str]:
    return os.environ | dict(settings.environment())


def test_everything_on_the_topic_once_and_then_only_what_is_new(settings: Settings) -> None:
    values = [trade(number) for number in range(300)] + [b"\xff\x00rubbish", b"", b"x" * 900_000]
    produce(settings, values)
    first = archive_new(settings)
    assert (first.rows, sum(first.offsets.values())) == (303, 303)
    assert first.first_trade == datetime.fromtimestamp(AT_MS / 1000, UTC)
    again = archive_new(settings)
    assert (again.rows, again.offsets) == (0, first.offsets)
    produce(settings, [trade(number) for number in range(300, 310)])
    assert archive_new(settings).rows == 10
    assert held(settings) == Counter(values + [trade(number) for number in range(300, 310)])


def test_what_kafka_deleted_is_an_error_that_names_it_once_and_the_rest_is_archived(settings: Settings) -> None:
    produce(settings, [trade(number) for number in range(20)], partition=0)
    archive_new(settings)
    produce(settings, [trade(number) for number in range(20, 60)], partition=0)
    future = admin(settings).delete_records([TopicPartition(settings.topic, 0, 45)])
    next(iter(future.values())).result(timeout=30)
    with pytest.raises(OffsetsLost, match="partition 0 offsets 20 to 44") as lost:
        archive_new(settings)
    assert lost.value.result.rows == 15
    assert archive_new(settings).rows == 0
    assert held(settings) == Counter(trade(number) for number in (*range(20), *range(45, 60)))
    assert [(gap.start, gap.end) for gap in archive.archive_gaps(settings)] == [(20, 45)]


def test_a_topic_that_was_deleted_and_created_again_is_noticed(settings: Settings) -> None:
    produce(settings, [trade(number) for number in range(10)], partition=0)
    archive_new(settings)
    delete_topic(settings, settings.topic)
    wait_for(lambda: settings.topic not in {each.name for each in list_topics(settings)}, "the topic to be gone")
    create_topic(settings, TopicSpec(settings.topic, 2, 1))
    wait_for(lambda: settings.topic in {each.name for each in list_topics(settings)}, "the topic to be back")
    produce(settings, [trade(number) for number in range(10, 30)], partition=0)
    with pytest.raises(OffsetsLost, match=r"partition 0 offsets 10 to its end \(the topic was deleted"):
        archive_new(settings)
    assert held(settings) == Counter(trade(number) for number in range(30))


def test_killed_in_the_middle_again_and_again_nothing_is_lost_or_doubled(settings: Settings) -> None:
    values, hits = list[bytes](), 0
    for turn in range(4):
        new = [trade(number) for number in range(turn * 30_000, (turn + 1) * 30_000)]
        produce(settings, new)
        values += new
        before = files_of(settings)
        with ended(subprocess.Popen(command(settings), env=environment(settings), stdout=-3, stderr=-3)) as process:
            wait_for(
                lambda: files_of(settings) - before or process.poll() is not None,  # noqa: B023
                "something new in the archive's folder",
            )
            process.send_signal(signal.SIGKILL)
            hits += process.wait(30) == -signal.SIGKILL
    assert hits >= 2  # kills that met a process which had begun to write, and was not done
    archive_new(settings)
    assert held(settings) == Counter(values)


def files_of(settings: Settings) -> set[Path]:
    """Every file below the archive, staged ones too, of which each turn writes new ones."""
    walked = os.walk(settings.paths.bronze)  # which forgives a folder that is removed meanwhile
    return {Path(folder) / name for folder, _, names in walked for name in names if name.endswith(".parquet")}


def test_the_command_tells_what_it_did(settings: Settings) -> None:
    produce(settings, [trade(number) for number in range(50)])
    done = subprocess.run(
        command(settings, "--compact", "--json"), env=environment(settings), capture_output=True, text=True, check=True,
        timeout=120,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert (told["rows"], told["gaps"], told["compaction"]["hours"]) == (50, [], 0)
    assert told["last_trade"] == "2025-11-13T02:13:21.960000+00:00"


def test_without_a_topic_there_is_one_clear_line(settings: Settings) -> None:
    other = Settings.load(data_dir=settings.data_dir, port_base=settings.port_base, topic="no-such-topic")
    with pytest.raises(TopicError, match="there is no topic no-such-topic"):
        archive_new(other)


def test_without_kafka_there_is_one_clear_line(tmp_path: Path, refusing_port: int) -> None:
    given = Settings.load(data_dir=tmp_path, kafka_bootstrap_servers=f"127.0.0.1:{refusing_port}")
    done = subprocess.run(
        command(given), env=environment(given), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith(f"error: Kafka does not answer at 127.0.0.1:{refusing_port}")
