"""How reconcile knows that the stream's bars are still on their way."""

from pathlib import Path

import pytest

from market_pipeline import reconcile
from market_pipeline.settings import Settings
from market_pipeline.stream import bars


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(data_dir=tmp_path)


def finished(settings: Settings, offsets: str) -> None:
    checkpoint = settings.paths.checkpoints / bars.QUERY
    for folder in ("offsets", "commits"):
        (checkpoint / folder).mkdir(parents=True)
    (checkpoint / "offsets" / "0").write_text(f'v1\n{{}}\n{{"{settings.topic}":{offsets}}}', encoding="utf-8")
    (checkpoint / "commits" / "0").write_text("v1\n{}", encoding="utf-8")


def test_bars_are_behind_by_what_their_last_batch_did_not_take(settings: Settings) -> None:
    finished(settings, '{"0":90,"1":250}')
    assert reconcile.bars_behind(settings, {0: 100, 1: 200}) == 10
    assert reconcile.bars_behind(settings, {0: 90, 1: 250}) == 0


def test_a_partition_that_is_new_was_not_taken_at_all(settings: Settings) -> None:
    finished(settings, '{"0":90}')
    assert reconcile.bars_behind(settings, {0: 90, 1: 7}) == 7


def test_a_stream_whose_checkpoints_are_elsewhere_says_nothing(settings: Settings) -> None:
    assert reconcile.bars_behind(settings, {0: 100}) == 0
