"""What takes room under Cassandra's data, while files and folders come and go."""

import os
import shutil
import threading
from pathlib import Path

from market_pipeline.supervision.disk import bytes_below, disk


def test_tables_and_what_only_snapshots_hold_are_told_apart(tmp_path: Path) -> None:
    table = tmp_path / "data" / "market_data" / "trades_silver-0123abcd"
    snapshot = table / "snapshots" / "s1"
    snapshot.mkdir(parents=True)
    (table / "nb-1-big-Data.db").write_bytes(b"x" * 100)
    os.link(table / "nb-1-big-Data.db", snapshot / "nb-1-big-Data.db")
    (snapshot / "nb-0-big-Data.db").write_bytes(b"x" * 7)
    (tmp_path / "data" / "schema.txt").write_bytes(b"x" * 1_000)
    found = disk(tmp_path)
    assert found is not None
    assert (found.tables, found.snapshots) == ({"market_data.trades_silver": 100}, 7)
    assert bytes_below(tmp_path) == 1_207


def test_a_snapshot_that_is_cleared_meanwhile_ends_no_look(tmp_path: Path) -> None:
    snapshots = tmp_path / "data" / "market_data" / "trades_silver-0123abcd" / "snapshots"
    stopped = threading.Event()

    def come_and_go() -> None:
        while not stopped.is_set():
            for number in range(5):
                (snapshots / f"s{number}").mkdir(parents=True)
            shutil.rmtree(snapshots)

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        assert all(disk(tmp_path) is not None for _ in range(1_000))
    finally:
        stopped.set()
        other.join()
