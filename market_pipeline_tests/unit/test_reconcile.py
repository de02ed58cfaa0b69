"""How reconcile knows that the stream's bars are still on their way, and that rows of an old day have left."""

from contextlib import nullcontext
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from market_pipeline import model, reconcile
from market_pipeline.quality.ledger import Sighting
from market_pipeline.reconcile import DayExpired, Hop
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


DAY = date(2025, 11, 28)


@pytest.fixture
def _silver_lacks_a_trade(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only trade of ``DAY`` is in bronze, and nothing else is there."""
    ts = int(datetime(2025, 11, 28, 12, tzinfo=UTC).timestamp() * 1000)
    trade = Sighting("AAPL", ts, model.trade_id(ts * 1000, 0), Decimal("1.5"), Decimal(0))
    hops = [Hop("bronze", lambda: iter([trade])), Hop("silver", lambda: iter([]), log=False)]
    monkeypatch.setattr(reconcile, "_hops", lambda *_: hops)
    monkeypatch.setattr(reconcile, "connect", lambda *_, **__: nullcontext())
    monkeypatch.setattr(reconcile, "SETTLE_S", -1.0)
    for name, answer in (("archive_new", None), ("end_offsets", {}), ("bars_day", {}), ("silver_day", iter([]))):
        monkeypatch.setattr(reconcile, name, lambda *_, answer=answer: answer)


@pytest.mark.usefixtures("_silver_lacks_a_trade")
def test_a_day_whose_rows_have_left_is_not_called_lost(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "may_have_expired", lambda _, day, __: day == DAY)
    with pytest.raises(DayExpired, match="keeps a row for 90 days"):
        reconcile.reconcile(settings, DAY)


@pytest.mark.usefixtures("_silver_lacks_a_trade")
def test_what_silver_lacks_of_a_new_day_is_lost(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile.time, "sleep", lambda _: None)
    assert reconcile.reconcile(settings, DAY).lost == 1
