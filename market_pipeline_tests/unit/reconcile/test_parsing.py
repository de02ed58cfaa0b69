"""Frames and records are read many at a time exactly as the feed and the stream read them one by one."""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from market_pipeline.feed.journal import Frame
from market_pipeline.feed.normalise import trades_of
from market_pipeline.feed.recorded import Mark, marked
from market_pipeline.feed.subscribed import Subscribed
from market_pipeline.model import RejectedTrade, Trade, canary, decode, encode, filled_id, is_probe, trade_id
from market_pipeline.quality.columns import of_trades
from market_pipeline.reconcile import parsing

NOW_US = 1_763_035_200_000_000
NOW_MS = NOW_US // 1000
ODD = [
    '"1.5"', "null", "true", "-0", "-0.0", "-1", "1e2", "1E-7", "1e999999", "NaN", "1e19",
    "1e-999999999", "0e-999999999", "0.1234567890123456789", "0." + 60 * "1", 77 * "1", "1." + 77 * "0",
    "[]", "{}", "9999999999.999999999999999999", "10000000000", "99999999999999.5", "100000000000000", "01", "1.",
]  # fmt: skip
numbers = st.one_of(
    st.decimals(min_value=0, max_value=10**6, places=6, allow_nan=False).map(lambda d: f"{d:f}"), st.sampled_from(ODD)
)
times = st.sampled_from(
    [NOW_MS, NOW_MS - 1, NOW_MS + 60_000, NOW_MS + 60_001, 946_684_799_999, 0, NOW_US, "1.7e12", f"{NOW_MS}.0", "null"]
)
symbols = st.sampled_from(
    ["AAPL", "BINANCE:BTCUSDT", "", "é", "a},{b", 'q"q', "x" * 1001, "\ud800", "\u202e", "a b", "\x00", "PROBE:X"]
)
codes = st.sampled_from(["null", "[]", '["1","12"]', "[1]", "[true]", "[null]", '"1"', '["a},{b"]'])
keys = st.sampled_from(["", ',"x":1', ',"p":2', ',"x":{"p":"1"}', ',"\\u0070":"1.5"'])


@st.composite
def elements(draw: st.DrawFn) -> str:
    usual = draw(st.integers(0, 3)) > 0
    price, volume = (draw(st.just("1.5")), "0.25") if usual else (draw(numbers), draw(numbers))
    symbol, ts = ("AAPL", NOW_MS) if usual else (draw(symbols), draw(times))
    code, more = ("null", "") if usual else (draw(codes), draw(keys))
    return f'{{"c":{code},"p":{price},"s":{json.dumps(symbol)},"t":{ts},"v":{volume}{more}}}'


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    text = draw(st.sampled_from([",", ", "])).join(draw(st.lists(elements(), max_size=4)))
    form = draw(st.sampled_from(['{"data":[%s],"type":"trade"}', '{"type": "trade", "data": [%s]}', '{"data":[%s]}']))
    payload = (form % text).encode(errors="surrogatepass")
    return draw(
        st.sampled_from([payload, payload, b'{"type":"ping"}', b"rubbish", b"", b'{"data":[5],"type":"trade"}'])
    )


def rows(batches: Iterable[pa.RecordBatch], *, seq: bool = True) -> list[dict[str, Any]]:
    found = [row for batch in batches for row in batch.to_pylist()]
    return found if seq else [row | {"seq": 0} for row in found]


subscriptions = st.builds(
    Subscribed,
    st.one_of(st.none(), st.integers(NOW_US - 2, NOW_US + 20)),
    st.dictionaries(st.sampled_from(["aapl", "binance:btcusdt"]), st.integers(NOW_US - 2, NOW_US + 20)),
)


@given(st.lists(st.tuples(payloads(), st.booleans()), max_size=40), subscriptions)
def test_frames_are_read_as_the_producer_reads_them(drawn: list[tuple[bytes, bool]], subscribed: Subscribed) -> None:
    frames = []
    for number, (payload, replayed) in enumerate(drawn):
        mark = Mark("run", number, NOW_US - 10**9 + number)
        frames.append(Frame(NOW_US + number, marked(payload, mark) if replayed else payload, "replay"))
    one_by_one = [item for item in trades_of(frames, "", subscribed) if isinstance(item, Trade)]
    assert rows(parsing.frames(frames, "", subscribed), seq=False) == rows([of_trades(one_by_one)], seq=False)


@st.composite
def values(draw: st.DrawFn) -> bytes:
    trade = Trade(
        draw(symbols.filter(lambda s: s not in ("", "\ud800"))),
        draw(st.decimals(min_value="0.0001", max_value=10**9, places=4)),
        draw(st.sampled_from([Decimal(0), Decimal("0.50"), Decimal("1E+3"), Decimal("1E-18")])),
        NOW_MS,
        draw(st.sampled_from([trade_id(NOW_US, 7), filled_id(trade_id(NOW_US, 7)), "", "other", "é"])),
        draw(st.integers(0, 999)),
        "simulator",
        NOW_US,
        draw(st.sampled_from([(), ("1",), ("1", "12")])),
    )
    record = encode(trade).decode()
    name = draw(st.sampled_from(["", "", "", "price", "volume", "ts", "seq", "received_at", "conditions"]))
    if name:
        fields = json.loads(record, parse_float=Decimal, parse_int=Decimal)
        texts = {key: json.dumps(value, default=str).strip('"') for key, value in fields.items()}
        before = f'"{name}":' + (
            json.dumps(fields[name], separators=(",", ":")) if name == "conditions" else texts[name]
        )
        record = record.replace(before, f'"{name}":{draw(st.one_of(numbers, codes))}')
    return draw(
        st.sampled_from(
            [
                record,
                record,
                record + " ",
                record + record,
                record.replace(",", ",\n"),
                record[:-1] + ',"x":1}',
                "",
                "[]",
            ]
        )
    ).encode()


@given(st.lists(values(), max_size=60))
@example([b'{"symbol":"A"}' + b"\n", b""])
@example([encode(canary(NOW_US)), b"\xff", b"null"])
def test_records_are_read_as_the_stream_reads_them(drawn: list[bytes]) -> None:
    def one_by_one() -> Iterable[Trade]:
        for value in drawn:
            try:
                if not is_probe(value):
                    yield decode(value)
            except RejectedTrade:
                continue

    assert rows(parsing.records(drawn)) == rows([of_trades(one_by_one())])


def test_what_feeds_and_the_producer_write_needs_no_second_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a comparison of a busy day would take five times as long."""
    monkeypatch.setattr(parsing, "of_trades", None)
    element = '{{"c":null,"p":{0}.25,"s":"BINANCE:BTCUSDT","t":{1},"v":0.0{0}}}'
    text = ",".join(element.format(number, NOW_MS + number) for number in range(1, 9))
    payload = f'{{"data":[{text}],"type":"trade"}}'.encode()
    found = rows(parsing.frames([Frame(NOW_US, payload, "finnhub"), Frame(NOW_US + 1, payload, "finnhub")], "finnhub"))
    assert [row["trade_id"] for row in found[:2]] == [trade_id(NOW_US, 0), trade_id(NOW_US, 1)]
    records = [encode(item) for item in trades_of([Frame(NOW_US, payload, "")], "finnhub") if isinstance(item, Trade)]
    assert rows(parsing.records(records)) == [row | {"seq": row["seq"]} for row in found[:8]]
