"""A topic that is there is configured as the settings say now."""

from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from market_pipeline.broker import offsets, topics
from market_pipeline.broker.client import BrokerUnreachableError
from market_pipeline.broker.topics import TopicError, outdated
from market_pipeline.settings import Settings


def test_only_our_options_that_differ_are_changed() -> None:
    wanted = {"retention.ms": "86400000", "segment.ms": "3600000", "min.insync.replicas": "2"}
    have = {"retention.ms": "3600000", "segment.ms": "3600000", "cleanup.policy": "delete"}
    assert outdated(wanted, have) == {"retention.ms": "86400000", "min.insync.replicas": "2"}
    assert outdated(wanted, {**have, **wanted}) == {}


def answered(result: object) -> "Future[Any]":
    future: Future[Any] = Future()
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
    return future


def test_a_kafka_that_is_away_has_no_empty_list_of_groups(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    silent = SimpleNamespace(valid=[], errors=[KafkaError(KafkaError._TIMED_OUT)])
    client = SimpleNamespace(list_consumer_groups=lambda **_: answered(silent))
    monkeypatch.setattr(offsets, "admin", lambda settings: client)
    with pytest.raises(BrokerUnreachableError, match=f"start it with `market-pipeline up --data-dir {tmp_path}`"):
        offsets.list_groups(Settings.load(data_dir=tmp_path))


@pytest.mark.parametrize(
    ("code", "raised"),
    [(KafkaError._TIMED_OUT, BrokerUnreachableError), (KafkaError.UNKNOWN_TOPIC_OR_PART, TopicError)],
)
def test_a_kafka_that_is_away_is_told_from_one_that_refuses(
    monkeypatch: pytest.MonkeyPatch, code: int, raised: type[Exception]
) -> None:
    failed = {"x": answered(KafkaException(KafkaError(code)))}
    client = SimpleNamespace(delete_topics=lambda *_, **__: failed, create_topics=lambda *_, **__: failed)
    monkeypatch.setattr(topics, "admin", lambda settings: client)
    settings = Settings.load()
    with pytest.raises(raised):
        topics.delete_topic(settings, "x")
    with pytest.raises(raised):
        topics.create_topic(settings, topics.TopicSpec("x", 1, 1))
