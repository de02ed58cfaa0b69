"""What another listener recorded is read by the readers of our own recordings, and its pauses are told."""

import json
from pathlib import Path

import pytest

from market_pipeline.feed.journal.frame import Frame, encode_frame, segment_header
from market_pipeline.feed.journal.segment import segment_path
from market_pipeline.feed.recording import RecordingError, recorded_line
from market_pipeline.feed.second_source import Recording, listen, recordings

NOON_US = 1_763_000_040_000_000
SECOND = 1_000_000


def payload(at_s: float, symbol: str = "AAPL") -> bytes:
    element = {"s": symbol, "p": 1.5, "t": (NOON_US + int(at_s * SECOND)) // 1000, "v": 2}
    return json.dumps({"type": "trade", "data": [element]}).encode()


def at(*seconds: float) -> list[Frame]:
    return [Frame(NOON_US + int(each * SECOND), payload(each), "finnhub") for each in seconds]


def record_file(path: Path, frames: list[Frame]) -> Path:
    path.write_bytes(b"".join(recorded_line(f.payload, f.source, f.received_at) + b"\n" for f in frames))
    return path


def journal(folder: Path, frames: list[Frame]) -> Path:
    folder.mkdir(exist_ok=True)
    body = b"".join(encode_frame(frame.received_at, frame.payload) for frame in frames)
    segment_path(folder, frames[0].received_at).write_bytes(segment_header("finnhub") + body)
    return folder


def heard(path: Path, since_s: float = -60, until_s: float = 600) -> Recording:
    return listen(path, "finnhub", NOON_US + int(since_s * SECOND), NOON_US + int(until_s * SECOND), lambda _: True)


def test_a_journal_and_what_record_makes_of_it_are_the_same(tmp_path: Path) -> None:
    frames = at(0, 1, 2)
    of_journal, of_file = heard(journal(tmp_path / "j", frames)), heard(record_file(tmp_path / "r.jsonl", frames))
    assert of_journal == of_file
    assert [trade.received_at for trade in of_file.trades] == [frame.received_at for frame in frames]


def test_a_long_pause_is_none_that_was_listened_to(tmp_path: Path) -> None:
    found = heard(record_file(tmp_path / "r.jsonl", at(0, 8, 16, 40, 45)))
    assert found.listened == [(NOON_US, NOON_US + 16 * SECOND), (NOON_US + 40 * SECOND, NOON_US + 45 * SECOND)]
    assert found.covers("AAPL", NOON_US, NOON_US + 16 * SECOND)
    assert not found.covers("AAPL", NOON_US, NOON_US + 41 * SECOND)
    assert not found.covers("MSFT", NOON_US, NOON_US + SECOND)  # did it have the symbol? nobody can tell
    assert not Recording(found.trades, found.listened, found.symbols, damaged=True).covers("AAPL", NOON_US, NOON_US + 1)


def test_only_the_stretch_that_is_asked_for_is_read(tmp_path: Path) -> None:
    found = heard(record_file(tmp_path / "r.jsonl", at(0, 1, 2, 3)), 1, 2)
    assert [trade.ts for trade in found.trades] == [NOON_US // 1000 + 1000, NOON_US // 1000 + 2000]


def test_damage_is_told(tmp_path: Path) -> None:
    folder = journal(tmp_path / "j", at(0, 1, 2))
    (segment,) = folder.iterdir()
    segment.write_bytes(segment.read_bytes()[:-5])
    assert heard(folder).damaged
    assert len(heard(folder).trades) == 2


def test_a_folders_recordings_are_its_segments_and_each_file_of_messages(tmp_path: Path) -> None:
    folder = journal(tmp_path / "j", at(0))
    for name in ("b.jsonl", "a.jsonl"):
        record_file(folder / name, at(0))
    (folder / "forgotten").touch()
    assert recordings(folder) == [folder, folder / "a.jsonl", folder / "b.jsonl"]
    assert recordings(folder / "a.jsonl") == [folder / "a.jsonl"]


def test_where_there_is_none_it_is_told_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"holds no recording: put a journal's segments there, or \.jsonl files"):
        recordings(tmp_path)
    with pytest.raises(RecordingError, match="there is no recording"):
        heard(tmp_path / "nowhere.jsonl")
