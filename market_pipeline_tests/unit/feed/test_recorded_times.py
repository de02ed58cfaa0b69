"""Recordings with times that can't be true, and files that an editor began with a byte-order mark."""

import codecs
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.feed.journal import Frame
from market_pipeline.feed.journal.frame import encode_frame, segment_header
from market_pipeline.feed.normalise import DeadLetter, trades_of
from market_pipeline.feed.recorded import Mark, mark_of, marked
from market_pipeline.feed.recording import messages, recorded_line
from market_pipeline.feed.replay import Replay
from market_pipeline.feed.second_source import listen
from market_pipeline.model import Rejection, Trade

T0 = 1_763_000_000_000
WRONG = {
    "microseconds": T0 * 1_000,
    "nanoseconds": T0 * 1_000_000,
    "seconds": T0 // 1_000,
    "ten years ahead": T0 + 10 * 365 * 86_400_000,
    "more than any clock": 10**30,
    "more than a double": 10**400,
    "negative": -T0,
}
BEFORE_2000 = {"seconds", "negative"}


def line(ts: object, price: float = 1.5) -> str:
    return json.dumps({"type": "trade", "data": [{"s": "AAPL", "p": price, "t": ts, "v": 1}]})


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def four(path: Path, wrong: object, place: int) -> Path:
    """Four messages, a second apart, one of which has another time."""
    return write(path, *(line(wrong if n == place else T0 + 1000 * n, n + 1) for n in range(4)))


def played(file: Path, speed: float = 0.0, messages_wanted: int = 4) -> list[Trade | DeadLetter]:
    """What a producer makes of a replay: received now, with the identities that the replayer sends."""
    due = Replay(file, speed, False, "run").due(0)
    payloads = [next(due).payload for _ in range(messages_wanted)]
    now = time.time_ns() // 1000
    return list(trades_of([Frame(now + n, payload, "replay") for n, payload in enumerate(payloads)], "replay"))


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("wrong", WRONG)
def test_one_wrong_time_costs_its_own_element_alone(tmp_path: Path, wrong: str, place: int) -> None:
    file = four(tmp_path / "r.jsonl", WRONG[wrong], place)
    items = played(file)
    (letter,) = [item for item in items if isinstance(item, DeadLetter)]
    trades = [item for item in items if isinstance(item, Trade)]
    assert letter.reason is (Rejection.BEFORE_2000 if wrong in BEFORE_2000 else Rejection.IN_THE_FUTURE)
    assert [trade.price for trade in trades] == [n + 1 for n in range(4) if n != place]
    assert [trade.trade_id for trade in trades] == [
        trade.trade_id for trade in played(file) if isinstance(trade, Trade)
    ]
    # reconcile compares what has an identity before this moment
    assert all(int(trade.trade_id[:16]) <= time.time_ns() // 1000 for trade in trades)
    assert [trade.trade_id[:16] for trade in trades] == [f"{trade.ts * 1000:016d}" for trade in trades]


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("wrong", WRONG)
def test_no_speed_waits_for_a_wrong_time(tmp_path: Path, wrong: str, place: int) -> None:
    file = four(tmp_path / "r.jsonl", WRONG[wrong], place)
    for speed in (1.0, 1000.0):
        waits = [due.after_s for due in Replay(file, speed, True, "run").due(0)]
        assert len(waits) == 4
        assert all(0 <= wait <= 3 / speed for wait in waits), waits


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("wrong", WRONG)
def test_each_round_of_a_loop_follows_the_one_before(tmp_path: Path, wrong: str, place: int) -> None:
    file = four(tmp_path / "r.jsonl", WRONG[wrong], place)
    ids = [item.trade_id for item in played(file, messages_wanted=12) if isinstance(item, Trade)]
    assert ids == sorted(set(ids))
    assert int(ids[-1][:16]) - int(ids[0][:16]) < 20_000_000  # three rounds of 3 s, and a second between them


@pytest.mark.parametrize("wrong", [0, -1, 10**14, T0 * 1_000_000, 10**40, True, 1.5, "x", None])
def test_a_recorded_receive_time_that_is_none_is_not_believed(tmp_path: Path, wrong: object) -> None:
    lines = [
        line(T0 + n)[:-1] + f',"received_at":{json.dumps(wrong if n == 1 else (T0 + n) * 1000 + 7)}}}' for n in range(3)
    ]
    found = list(messages(write(tmp_path / "r.jsonl", *lines)))
    assert [message.received_at for message in found] == [T0 * 1000 + 7, (T0 + 1) * 1000, (T0 + 2) * 1000 + 7]


def test_a_segment_of_a_wrong_clock_is_played_by_its_trades(tmp_path: Path) -> None:
    segment = tmp_path / f"{T0:016d}.frames"
    body = b"".join(encode_frame(2**63 + n, line(T0 + n).encode()) for n in range(3))
    segment.write_bytes(segment_header("finnhub") + body)
    assert [message.due for message in messages(segment)] == [(T0 + n) * 1000 for n in range(3)]


def test_times_written_with_a_point_count_as_well(tmp_path: Path) -> None:
    file = write(tmp_path / "r.jsonl", line(float(T0)), line(T0 + 0.5), line(float("nan")), line(float("inf")))
    assert [message.due for message in messages(file)] == [T0 * 1000] * 4


def test_a_second_sources_trades_are_there_beside_a_wrong_time(tmp_path: Path) -> None:
    for wrong in WRONG.values():
        found = listen(four(tmp_path / "r.jsonl", wrong, 1), "finnhub", T0 * 1000, (T0 + 5000) * 1000, lambda _: True)
        assert [trade.price for trade in found.trades] == [1, 3, 4]
        assert found.covers("AAPL", T0 * 1000, (T0 + 3000) * 1000)


@pytest.mark.parametrize("written", ["utf-8-sig", "with white space", "a mark a line"])
def test_a_byte_order_mark_changes_no_identity(tmp_path: Path, written: str) -> None:
    plain = write(tmp_path / "plain.jsonl", line(T0), line(T0 + 1000))
    text = plain.read_bytes()
    odd = {
        "utf-8-sig": codecs.BOM_UTF8 + text,
        "with white space": codecs.BOM_UTF8 + b"  " + text.replace(b"\n", b" \r\n"),
        "a mark a line": b"".join(codecs.BOM_UTF8 + each for each in text.splitlines(keepends=True)),
    }[written]
    (tmp_path / "odd.jsonl").write_bytes(odd)
    ids = [[t.trade_id for t in played(tmp_path / name, messages_wanted=2)] for name in ("plain.jsonl", "odd.jsonl")]  # type: ignore[union-attr]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"])
def test_a_message_in_any_encoding_that_json_has_takes_a_mark(encoding: str) -> None:
    payload, mark = (
        ("\n " + line(T0) if encoding != "utf-8-sig" else line(T0)).encode(encoding),
        Mark("run", 3, T0 * 1000),
    )
    assert mark_of(json.loads(marked(payload, mark))) == mark
    assert json.loads(recorded_line(payload, "finnhub", 99)) == json.loads(line(T0)) | {"received_at": 99}


times = st.one_of(
    st.integers(T0 - 5000, T0 + 5000),
    st.sampled_from(list(WRONG.values())),
    st.integers(),
    st.floats(),
    st.none(),
    st.text(max_size=3),
)


@given(st.lists(st.lists(times, max_size=3), min_size=1, max_size=8), st.sampled_from([0.0, 1.0, 50.0]))
def test_whatever_the_times_every_message_is_played_with_the_same_identity(
    groups: list[list[object]], speed: float
) -> None:
    with TemporaryDirectory() as folder:
        lines = (json.dumps({"type": "trade", "data": [{"s": "A", "t": t} for t in group]}) for group in groups)
        file = write(Path(folder) / "r.jsonl", *lines)
        first, second = (list(Replay(file, speed, True, "run").due(0)) for _ in range(2))
        assert first == second
        assert len(first) == len(groups)
        now = time.time_ns() // 1000
        ids = [mark.received_at for due in first if (mark := mark_of(json.loads(due.payload)))]
        assert ids == sorted(set(ids))
        assert ids[-1] <= now + len(groups)
