"""Recordings: what is played, when it is due, and that its trades keep their identity."""

import json
from pathlib import Path

import pytest

from market_pipeline.feed.journal import Frame, Journal, read_frames
from market_pipeline.feed.normalise import trades_of
from market_pipeline.feed.recorded import Mark, last_mark, marked, resume_frame, resume_message
from market_pipeline.feed.recording import RecordingError, messages, recorded_line, symbols_in
from market_pipeline.feed.replay import Replay
from market_pipeline.model import Trade
from market_pipeline_tests.unit.feed.conftest import SAMPLE, element, needs_sample, trade_message

T0 = 1_763_000_000_000


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def replayed(file: Path, rounds: int = 1) -> list[Trade]:
    due = Replay(file, 0.0, rounds == 1, "run").due(0)
    count = sum(1 for _ in messages(file)) * rounds
    frames = [Frame(T0 * 1000 + n, next(due).payload, "replay") for n in range(count)]
    return [item for item in trades_of(frames, "replay") if isinstance(item, Trade)]


def test_without_receive_times_messages_are_due_by_trade_time_and_identities_increase(tmp_path: Path) -> None:
    file = write(
        tmp_path / "r.jsonl",
        trade_message(element(ts=T0), element(ts=T0 + 5)),
        '{"type":"ping"}',
        trade_message(element(ts=T0 + 3)),
        trade_message(element(ts=T0 + 1000)),
    )
    assert [(m.due, m.received_at, m.trades) for m in messages(file)] == [
        ((T0 + 5) * 1000, (T0 + 5) * 1000, 2),
        ((T0 + 5) * 1000, (T0 + 5) * 1000 + 1, 0),
        ((T0 + 3) * 1000, (T0 + 5) * 1000 + 2, 1),
        ((T0 + 1000) * 1000, (T0 + 1000) * 1000, 1),
    ]


def test_speed_divides_the_pauses_and_max_has_none(tmp_path: Path) -> None:
    file = write(tmp_path / "r.jsonl", *(trade_message(element(ts=T0 + 1000 * n)) for n in range(4)))
    assert [due.after_s for due in Replay(file, 2.0, True, "r").due(0)] == [0.0, 0.5, 1.0, 1.5]
    assert [due.after_s for due in Replay(file, 0.0, True, "r").due(0)] == [0.0] * 4
    assert [(due.frame, due.after_s) for due in Replay(file, 1.0, True, "r").due(2)] == [(2, 0.0), (3, 1.0)]


def test_played_twice_the_trades_are_the_same_in_a_loop_they_are_new(tmp_path: Path) -> None:
    file = write(tmp_path / "r.jsonl", *(trade_message(element(ts=T0 + n)) for n in range(5)))
    ids = [trade.trade_id for trade in replayed(file)]
    assert [trade.trade_id for trade in replayed(file)] == ids
    looped = [trade.trade_id for trade in replayed(file, rounds=3)]
    assert looped[:5] == ids
    assert looped == sorted(set(looped))


def test_what_was_recorded_plays_with_the_ids_of_its_first_receipt(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", "simulator")
    for n in range(10):
        journal.append(trade_message(element(ts=T0 + n), element("B", ts=T0)).encode())
    journal.append(b'{"type":"ping"}')
    journal.append(b"not json")
    live = [item for item in trades_of(read_frames(journal.directory), "") if isinstance(item, Trade)]
    lines = [recorded_line(f.payload, f.source, f.received_at).decode() for f in read_frames(journal.directory)]
    file = write(tmp_path / "r.jsonl", *lines)
    assert json.loads(lines[0])["received_at"] == live[0].received_at
    for recording in (file, journal.directory):
        again = replayed(recording)
        assert [(t.trade_id, t.symbol, t.price, t.ts) for t in again] == [
            (t.trade_id, t.symbol, t.price, t.ts) for t in live
        ]
    segment = next(journal.directory.glob("*.frames"))
    assert len(replayed(segment)) == 20


def test_a_replay_can_be_recorded_and_is_as_it_was(tmp_path: Path) -> None:
    original = trade_message(element(ts=T0))
    payload = marked(original.encode(), Mark("run", 0, 77_000_000))
    line = recorded_line(payload, "replay", 99_000_000).decode()
    assert json.loads(line) == json.loads(original) | {"received_at": 77_000_000}
    again = marked(line.encode(), Mark("run", 1, 77_000_000))
    assert recorded_line(again, "replay", 99_000_001).decode() == line
    assert json.loads(recorded_line(marked(b"{}", Mark("r", 0, 5)), "replay", 9)) in ({"received_at": 5}, {})


def test_what_is_not_an_object_is_played_as_it_is() -> None:
    for payload in (b"not json", b"[1]", b"", b"{broken"):
        assert marked(payload, Mark("run", 0, 1)) == payload
        assert b"\n" not in recorded_line(payload + b"\n", "finnhub", 5)


def test_a_client_tells_what_it_has_and_a_replay_of_the_same_run_goes_on_there() -> None:
    order = json.loads(resume_message(Mark("run", 41, 5)))
    assert resume_frame(order, "run") == 42
    assert resume_frame(order, "another") is None
    assert resume_frame(json.loads(resume_message(None)), "run") is None
    assert resume_frame({"after": {"run": "run", "frame": "x", "received_at": 1}}, "run") is None


def test_the_last_mark_is_found_behind_pings_but_not_behind_another_feed() -> None:
    mark = Mark("run", 7, 5)
    frames = [
        Frame(3, b'{"type":"ping"}', "replay"),
        Frame(2, b"garbage", "replay"),
        Frame(1, marked(b'{"type":"trade","data":[]}', mark), "replay"),
    ]
    assert last_mark(frames) == mark
    assert last_mark([Frame(4, b"{}", "simulator"), *frames]) is None
    assert last_mark([]) is None


def test_a_missing_or_empty_recording_is_one_clear_line(tmp_path: Path) -> None:
    for file, text in (
        (None, "--replay-file"),
        (tmp_path / "nowhere.jsonl", "there is no recording"),
        (write(tmp_path / "empty.jsonl", '{"type":"ping"}'), "holds no trade"),
    ):
        with pytest.raises(RecordingError, match=text) as caught:
            symbols_in(file)
        assert "\n" not in str(caught.value)


@needs_sample
def test_the_real_sample_has_one_symbol_and_2001_trades() -> None:
    assert symbols_in(SAMPLE) == ("BINANCE:BTCUSDT",)
    assert len(replayed(SAMPLE)) == 2001
    assert len({trade.trade_id for trade in replayed(SAMPLE, rounds=2)}) == 4002


@pytest.mark.parametrize("own", ['"replay" :1,', '"replay":1,', '"replay":{"run":"x"},', '"\\u0072eplay":1,'])
def test_what_a_vendor_names_replay_is_no_mark_and_nothing_is_cut_off(own: str) -> None:
    data = '"data":[{"p":1,"s":"A","t":1764000000000,"v":1},{"p":2,"s":"A","t":1764000000000,"v":1}]'
    line = recorded_line(f'{{{own}{data},"type":"trade"}}'.encode(), "finnhub", 1_764_000_000_000_000)
    assert len(json.loads(line)["data"]) == 2
