import json
from pathlib import Path

from market_pipeline.stream.checkpoints import OutOfReach, forget_half_written, next_offsets, out_of_reach

TOPIC = "trades_raw"


def batch(folder: Path, number: int, offsets: dict[str, int] | None, *, committed: bool = True) -> None:
    (folder / "offsets").mkdir(parents=True, exist_ok=True)
    (folder / "commits").mkdir(exist_ok=True)
    source = "-" if offsets is None else json.dumps({TOPIC: offsets})
    (folder / "offsets" / str(number)).write_text(f'v1\n{{"batchWatermarkMs":0}}\n{source}', encoding="utf-8")
    if committed:
        (folder / "commits" / str(number)).write_text('v1\n{"nextBatchWatermarkMs":0}', encoding="utf-8")


def test_no_checkpoint(tmp_path: Path) -> None:
    assert next_offsets(tmp_path / "absent", TOPIC) is None


def test_a_batch_that_was_not_finished_does_not_count(tmp_path: Path) -> None:
    batch(tmp_path, 0, {"0": 5, "1": 7}, committed=False)
    assert next_offsets(tmp_path, TOPIC) is None


def test_the_newest_finished_batch_by_number_not_by_text(tmp_path: Path) -> None:
    batch(tmp_path, 9, {"0": 5})
    batch(tmp_path, 10, {"0": 8, "1": 2})
    batch(tmp_path, 11, {"0": 9, "1": 2}, committed=False)
    assert next_offsets(tmp_path, TOPIC) == {0: 8, 1: 2}


def test_files_that_are_torn_or_foreign_are_passed_over(tmp_path: Path) -> None:
    batch(tmp_path, 0, {"0": 5})
    batch(tmp_path, 1, {"0": 6})
    (tmp_path / "offsets" / "1").write_text("v1\n{}\n{", encoding="utf-8")
    (tmp_path / "commits" / ".2.crc").write_text("", encoding="utf-8")
    assert next_offsets(tmp_path, TOPIC) == {0: 5}


def test_what_a_killed_stream_had_begun_to_write_is_removed_and_nothing_else(tmp_path: Path) -> None:
    batch(tmp_path, 0, {"0": 5})
    (tmp_path / "offsets" / ".0.crc").touch()
    whole = sorted(tmp_path.rglob("*"))
    for log in ("offsets", "commits"):
        (tmp_path / log / ".1.1262953d-91c1-421c-be83-4ec837faf54a.tmp").touch()
        (tmp_path / log / "..1.1262953d-91c1-421c-be83-4ec837faf54a.tmp.crc").touch()
    forget_half_written(tmp_path)
    assert sorted(tmp_path.rglob("*")) == whole
    forget_half_written(tmp_path / "absent")


def test_a_source_without_offsets_is_no_position(tmp_path: Path) -> None:
    batch(tmp_path, 0, None)
    assert next_offsets(tmp_path, TOPIC) is None


def test_lost_names_partition_and_both_offsets() -> None:
    (only,) = out_of_reach(TOPIC, {0: 100, 1: 50, 2: 3}, {0: 100, 1: 60, 2: 0}, {0: 100, 1: 99, 2: 3})
    assert only == OutOfReach(TOPIC, 1, 50, 60, 99)
    assert not only.beyond_end
    assert "trades_raw partition 1" in str(only)
    assert "offset 50" in str(only)
    assert "oldest is 60, 10 records are lost" in str(only)


def test_offsets_beyond_the_end_are_those_of_a_topic_that_is_gone() -> None:
    found = out_of_reach(TOPIC, {0: 100, 1: 50, 2: 3}, {0: 0, 1: 5}, {0: 100, 1: 12})
    assert found == [OutOfReach(TOPIC, 1, 50, 5, 12), OutOfReach(TOPIC, 2, 3, 0, 0)]
    assert all(each.beyond_end for each in found)
    assert str(found[0]) == (
        "trades_raw partition 1: Kafka's topic was made anew: the checkpoint goes on at offset 50, the topic ends at 12"
    )
