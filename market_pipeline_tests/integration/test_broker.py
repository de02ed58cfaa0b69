"""Topics, offsets, lag and records on a real Kafka."""

import json
import uuid
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import ConfigResource

from market_pipeline.broker.client import BrokerUnreachableError, admin, client_config
from market_pipeline.broker.commits import Committer, OffsetsRefused, commit_group_offsets
from market_pipeline.broker.offsets import (
    begin_offsets,
    end_offsets,
    group_offsets,
    list_groups,
    partition_lags,
)
from market_pipeline.broker.records import read_topic
from market_pipeline.broker.topics import (
    TopicError,
    TopicSpec,
    create_topic,
    delete_topic,
    ensure_topics,
    list_topics,
    pipeline_topics,
    wait_for_kafka,
)
from market_pipeline.cli import main
from market_pipeline.settings import Settings
from market_pipeline_tests.waiting import wait_for

pytestmark = pytest.mark.real_servers


@pytest.fixture
def topic(servers: Settings) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:8]}"
    create_topic(servers, TopicSpec(name, 3, 1))
    yield name
    delete_topic(servers, name)


def produce(settings: Settings, topic: str, count: int) -> None:
    producer = Producer(client_config(settings) | {"partitioner": "murmur2_random"})
    for index in range(count):
        producer.produce(topic, key=f"S{index % 7}", value=str(index), headers={"index": str(index)})
    assert producer.flush(20) == 0


def run(settings: Settings, *arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=dict(settings.environment()))


def test_the_pipelines_topics_exist_once_with_their_configuration(servers: Settings) -> None:
    assert ensure_topics(servers) == []
    found = {t.name: t for t in list_topics(servers)}
    for spec in pipeline_topics(servers):
        assert found[spec.name].partitions == spec.partitions
        assert found[spec.name].leaderless == 0


def test_a_topic_that_is_there_gets_the_retention_of_the_settings(servers: Settings) -> None:
    own = servers.model_copy(
        update={"topic": f"test_{uuid.uuid4().hex[:8]}", "dead_letter_topic": f"test_{uuid.uuid4().hex[:8]}"}
    )

    def retention() -> str:
        resource = ConfigResource(ConfigResource.Type.TOPIC, own.topic)
        return str(admin(own).describe_configs([resource])[resource].result()["retention.ms"].value)

    try:
        assert ensure_topics(own) == [own.topic, own.dead_letter_topic]
        longer = own.model_copy(update={"kafka_retention_hours": own.kafka_retention_hours + 5})
        assert ensure_topics(longer) == []
        assert retention() == str((own.kafka_retention_hours + 5) * 3_600_000)
    finally:
        delete_topic(own, own.topic)
        delete_topic(own, own.dead_letter_topic)


def test_every_record_is_read_once_and_in_order_of_its_partition(servers: Settings, topic: str) -> None:
    produce(servers, topic, 2_000)
    records = list(read_topic(servers, topic))
    assert sorted(int(r.value) for r in records) == list(range(2_000))
    for partition in range(3):
        offsets = [r.offset for r in records if r.partition == partition]
        assert offsets == list(range(len(offsets)))
    assert all(r.headers == (("index", r.value),) for r in records)


def test_reading_stops_at_the_end_that_was_asked_for(servers: Settings, topic: str) -> None:
    produce(servers, topic, 700)
    middle = end_offsets(servers, topic)
    produce(servers, topic, 700)
    assert len(list(read_topic(servers, topic, end=middle))) == 700
    assert len(list(read_topic(servers, topic, start=middle))) == 700
    assert list(read_topic(servers, topic, start=middle, end=middle)) == []


def test_lag_is_what_is_not_yet_committed(servers: Settings, topic: str) -> None:
    produce(servers, topic, 100)
    group = f"group-{topic}"
    assert set(group_offsets(servers, group, topic).values()) == {None}
    assert all(part.lag is None for part in partition_lags(servers, group, topic))
    end = end_offsets(servers, topic)
    commit_group_offsets(servers, group, topic, {p: offset - (p == 0) for p, offset in end.items()})
    assert [part.lag for part in partition_lags(servers, group, topic)] == [1, 0, 0]
    assert begin_offsets(servers, topic) == {0: 0, 1: 0, 2: 0}
    assert group in dict(list_groups(servers))
    described = json.loads(run(servers, "groups", "describe", group, "--topic", topic, "--json").stdout)
    assert [row["lag"] for row in described] == [1, 0, 0]


def test_offsets_of_a_group_with_members_are_refused_by_name(servers: Settings, topic: str) -> None:
    group = f"group-{topic}"
    consumer = Consumer(client_config(servers) | {"group.id": group})
    try:
        consumer.subscribe([topic])
        wait_for(lambda: (consumer.poll(0.1), consumer.assignment())[1], "a place in the group", within_s=60)
        with pytest.raises(OffsetsRefused, match=f"{group} .*does anybody consume with it"):
            commit_group_offsets(servers, group, topic, {0: 0})
    finally:
        consumer.close()
    commit_group_offsets(servers, group, topic, {0: 0})


def test_a_commit_waits_for_nobody_and_is_there_when_it_is_answered(servers: Settings, topic: str) -> None:
    committer = Committer(servers, group := f"group-{topic}", topic)
    try:
        committer.send({0: 7, 2: 9})
        assert committer.waits
        assert wait_for(committer.answer, "the answer", within_s=30) == {0: 7, 2: 9}
        assert not committer.waits
    finally:
        committer.close()
    assert group_offsets(servers, group, topic) == {0: 7, 1: None, 2: 9}


def test_a_topic_keeps_its_partitions_and_says_so(servers: Settings, caplog: pytest.LogCaptureFixture) -> None:
    assert ensure_topics(servers.model_copy(update={"kafka_partitions": servers.kafka_partitions + 3})) == []
    assert f"topic {servers.topic} keeps its {servers.kafka_partitions} partitions" in caplog.text


def test_the_pipelines_own_topics_are_not_deleted_by_a_command(servers: Settings) -> None:
    for name in (servers.topic, servers.dead_letter_topic):
        refused = run(servers, "topics", "delete", name, "--yes")
        assert refused.exit_code == 1
        assert f"{name} is the pipeline's own" in refused.stderr
    assert {each.name for each in list_topics(servers)} >= {servers.topic, servers.dead_letter_topic}


@pytest.mark.parametrize("options", [(), ("--yes",)])
def test_a_topic_that_there_is_not_is_not_deleted_and_nobody_is_asked(
    servers: Settings, options: tuple[str, ...]
) -> None:
    refused = run(servers, "topics", "delete", "nosuch", *options)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == "error: there is no topic nosuch (see `market-pipeline topics list`)\n"


def test_a_topic_is_read_from_either_end(servers: Settings, topic: str) -> None:
    produce(servers, topic, 40)
    newest = [json.loads(line) for line in run(servers, "topics", "read", topic, "-n", "3").stdout.splitlines()]
    assert len(newest) == 3
    assert all(record["headers"]["index"] == record["value"] for record in newest)
    ends = end_offsets(servers, topic)
    assert all(record["offset"] >= ends[record["partition"]] - 3 for record in newest)
    oldest = run(servers, "topics", "read", topic, "-n", "2", "--from-beginning").stdout.splitlines()
    assert [json.loads(line)["offset"] for line in oldest] == [0, 1]
    missing = run(servers, "topics", "read", "nothing_here")
    assert missing.exit_code == 1
    assert "there is no topic nothing_here" in missing.stderr


def test_the_runbooks_topic_commands(servers: Settings) -> None:
    name = f"cli_{uuid.uuid4().hex[:8]}"
    created = run(servers, "topics", "create", name, "--partitions", "6", "--config", "retention.ms=3600000")
    assert created.exit_code == 0, created.output
    answer = run(servers, "topics", "list", "--json")
    assert answer.exit_code == 0, answer.output
    listed = json.loads(answer.stdout)
    assert {"topic": name, "partitions": 6, "replication": 1, "records": 0} in listed
    again = run(servers, "topics", "create", name)
    assert again.exit_code == 1
    assert again.stderr == f"error: topic {name} exists already (see `market-pipeline topics list`)\n"
    unasked = run(servers, "topics", "delete", name)
    assert unasked.exit_code == 1
    assert unasked.output == f"error: {name} is not deleted: nobody can be asked here, so say --yes\n"
    assert run(servers, "topics", "delete", name, "--yes").exit_code == 0

    def is_gone() -> bool:
        # for a moment Kafka lists a topic that it is deleting
        again = run(servers, "topics", "delete", name, "--yes")
        assert again.exit_code == 1
        return bool(again.stderr == f"error: there is no topic {name} (see `market-pipeline topics list`)\n")

    wait_for(is_gone, "the topic to be gone")


def test_too_many_replicas_are_refused_in_one_line(servers: Settings) -> None:
    with pytest.raises(TopicError, match="was not created") as caught:
        create_topic(servers, TopicSpec("never", 1, 5))
    assert "\n" not in str(caught.value)


def test_an_unknown_topic_is_named(servers: Settings) -> None:
    with pytest.raises(TopicError, match="there is no topic nowhere"):
        end_offsets(servers, "nowhere")


def test_no_broker_is_one_line_with_the_cure(refusing_port: int) -> None:
    absent = Settings.load(kafka_bootstrap_servers=f"127.0.0.1:{refusing_port}")
    with pytest.raises(BrokerUnreachableError, match="check KAFKA_BOOTSTRAP_SERVERS"):
        wait_for_kafka(absent, 0.5)
    answer = CliRunner().invoke(main, ["topics", "list"], env=dict(absent.environment()))
    assert answer.exit_code == 1
    assert answer.stderr.startswith("error: Kafka does not answer at 127.0.0.1:")
    assert answer.stderr.count("\n") == 1
