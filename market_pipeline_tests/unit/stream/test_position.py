"""Where the stream stands when it starts: whether it may go on."""

import json
import shutil
from pathlib import Path

import pytest

from market_pipeline.settings import Settings
from market_pipeline.stream import position, query
from market_pipeline.stream.checkpoints import TOPIC_ID
from market_pipeline.stream.failure import StreamError


def checkpoint(settings: Settings, offsets: dict[str, int]) -> None:
    folder = query.checkpoint(settings)
    (folder / "offsets").mkdir(parents=True)
    (folder / "commits").mkdir()
    (folder / "offsets" / "0").write_text(f"v1\n{{}}\n{json.dumps({settings.topic: offsets})}", encoding="utf-8")
    (folder / "commits" / "0").write_text("v1\n{}", encoding="utf-8")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Kafka has the offsets 10 to 20 of its one partition, and the topic the id of its name."""
    monkeypatch.setattr(position, "topic_id", lambda settings, topic: topic)
    monkeypatch.setattr(position, "begin_offsets", lambda settings, topic: {0: 10})
    monkeypatch.setattr(position, "end_offsets", lambda settings, topic: {0: 20})
    return Settings.load(data_dir=tmp_path)


def test_it_goes_on_where_kafka_has_the_records(settings: Settings) -> None:
    checkpoint(settings, {"0": 15})
    position.check(settings)
    assert position.out_of_reach(settings) == []
    assert position.next_offsets(settings) == {0: 15}


def test_lost_records_end_it_unless_they_are_accepted(settings: Settings) -> None:
    checkpoint(settings, {"0": 4})
    with pytest.raises(StreamError, match=r"trades_raw partition 0: .* 6 records are lost; .*ACCEPT_LOST_OFFSETS"):
        position.check(settings)
    position.check(settings.model_copy(update={"accept_lost_offsets": True}))


def test_a_topic_that_was_made_anew_ends_it_whatever_is_accepted(settings: Settings) -> None:
    checkpoint(settings, {"0": 21})
    accepting = settings.model_copy(update={"accept_lost_offsets": True})
    with pytest.raises(
        StreamError, match=f"made anew: .* offset 21, .*delete the checkpoints below {settings.data_dir}"
    ):
        position.check(accepting)


def test_a_topic_that_has_outgrown_the_old_ones_offsets_is_known_by_its_id(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint(settings, {"0": 15})
    position.check(settings)
    monkeypatch.setattr(position, "topic_id", lambda settings, topic: "another")
    with pytest.raises(StreamError, match=r"^trades_raw: Kafka's topic was made anew: .*delete the check"):
        position.check(settings)
    shutil.rmtree(settings.paths.checkpoints)
    checkpoint(settings, {"0": 12})
    position.check(settings)


def test_a_checkpoint_without_offsets_goes_on_with_whatever_topic_there_is(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    position.check(settings)
    monkeypatch.setattr(position, "topic_id", lambda settings, topic: "another")
    position.check(settings)
    checkpoint(settings, {"0": 15})
    position.check(settings)


def test_an_id_is_not_kept_of_a_topic_that_ends_too_early(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the stream would go on in it as soon as it has outgrown the offsets."""
    checkpoint(settings, {"0": 21})
    with pytest.raises(StreamError, match="made anew"):
        position.check(settings)
    assert not (query.checkpoint(settings) / TOPIC_ID).exists()
