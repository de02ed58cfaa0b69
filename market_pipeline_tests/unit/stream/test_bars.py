from datetime import UTC, datetime
from pathlib import Path

from market_pipeline.stream.bars import first_complete_minute, remember, remembered

NINE = datetime(2021, 1, 8, 9, 0, tzinfo=UTC)
NINE_MS = int(NINE.timestamp() * 1000)


def test_nothing_lost_means_every_bar_is_complete() -> None:
    assert first_complete_minute({}) is None


def test_the_first_whole_minute_after_the_newest_of_the_oldest() -> None:
    assert first_complete_minute({0: NINE_MS - 500_000, 1: NINE_MS - 1}) == NINE
    assert first_complete_minute({0: NINE_MS}) == NINE
    assert first_complete_minute({0: NINE_MS + 1}) == NINE.replace(minute=1)


def test_it_is_kept_beside_the_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "ohlcv_1m"
    assert remembered(folder) is None
    remember(folder, NINE)
    assert remembered(folder) == NINE
    remember(folder, None)
    assert remembered(folder) is None
