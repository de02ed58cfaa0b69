"""A keyspace is compacted where the disk has room for it, and else refused with the figures."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from market_pipeline.remedies import compaction
from market_pipeline.remedies.compaction import NodetoolFailed, NoRoom, check_room, compact, run_nodetool
from market_pipeline.settings import Settings
from market_pipeline.supervision.disk import Disk

TABLES = {"market_data.trades_silver": 60_000_000, "market_data.ohlcv_1m": 7_000_000, "system.local": 99_000_000}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(data_dir=tmp_path, feed="simulator")


def test_a_table_that_does_not_fit_beside_itself_is_refused_with_what_makes_room() -> None:
    check_room(Disk(200_000_000, 60_000_000, TABLES, 0), "market_data")
    with pytest.raises(NoRoom) as refused:
        check_room(Disk(200_000_000, 59_000_000, TABLES, 8_000_000), "market_data")
    said = str(refused.value)
    assert "compacting trades_silver may need its 60 MB again, and 59 MB are free" in said
    for offer in ("clearsnapshot", "8 MB are only in snapshots", "default_time_to_live", "larger disk"):
        assert offer in said


def test_a_keyspace_without_tables_has_room() -> None:
    check_room(Disk(1, 0, {}, 0), "market_data")


def test_it_compacts_then_cleans_up_and_tells_both_sizes(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([Disk(9**9, 9**9, TABLES, 0), Disk(9**9, 9**9, TABLES | {"market_data.trades_silver": 20_000_000}, 0)])
    monkeypatch.setattr(compaction, "disk", lambda _: next(looks))
    ran: list[Sequence[str]] = []
    done = compact(settings, ran.append)
    assert ran == [("compact", "market_data"), ("cleanup", "market_data")]
    assert done.before == {"trades_silver": 60_000_000, "ohlcv_1m": 7_000_000}
    assert done.freed == 40_000_000
    assert str(done).startswith("40.0 MB freed, in ")
    assert str(replace(done, after=done.before)).startswith("0.0 MB freed, in ")
    assert str(replace(done, before=done.after, after=done.before)).startswith("40.0 MB more than before")
    assert str(replace(done, before={"x": 0}, after={"x": 9})).startswith("0.0 MB freed")


def test_nothing_is_run_where_there_is_no_room(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "disk", lambda _: Disk(9, 1, TABLES, 0))
    ran: list[Sequence[str]] = []
    with pytest.raises(NoRoom):
        compact(settings, ran.append)
    assert ran == []


def test_a_nodetool_that_fails_is_told_by_its_last_words(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import sys; print('a stack', file=sys.stderr); print('Connection refused', file=sys.stderr); sys.exit(1)"
    monkeypatch.setattr(compaction, "nodetool_command", lambda *_: ["python3", "-c", script])
    with pytest.raises(NodetoolFailed, match=r"nodetool compact x ended with 1: a stack Connection refused"):
        run_nodetool(settings, ("compact", "x"))
