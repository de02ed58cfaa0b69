"""What several modules ask of the session's servers."""

import uuid
from collections.abc import Iterator

import pytest

from market_pipeline.broker.topics import delete_topic, ensure_topics
from market_pipeline.settings import Settings
from market_pipeline_tests.kept_dagster import KeptDagster, kept_dagster


@pytest.fixture
def settings(servers: Settings) -> Iterator[Settings]:
    """The servers of the session, with topics of the test's own."""
    name = f"own_{uuid.uuid4().hex[:8]}"
    own = servers.model_copy(update={"topic": name, "dead_letter_topic": f"{name}_dlq"})
    ensure_topics(own)
    yield own
    delete_topic(own, own.topic)
    delete_topic(own, own.dead_letter_topic)


@pytest.fixture(scope="session")
def dagster(tmp_path_factory: pytest.TempPathFactory, class_archive: None) -> Iterator[KeptDagster]:
    """Dagster's command line, loaded once."""
    with kept_dagster(tmp_path_factory.mktemp("dagster") / "dagster.log") as kept:
        yield kept
