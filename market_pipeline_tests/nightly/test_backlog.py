"""A stream that starts far behind catches up, and every trade is there once."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from market_pipeline_tests.running import RunningPipeline
from market_pipeline_tests.waiting import wait_for

pytestmark = [pytest.mark.real_servers, pytest.mark.nightly, pytest.mark.timeout(1_800)]

TRADES, A_FRAME = 60_000, 50
DAY_MS = 86_400_000


def recording(file: Path, start: int, symbols: int, every_ms: int) -> Path:
    """Frames of a day's trades, as Finnhub sends them; ``start`` in epoch milliseconds."""
    with file.open("w", encoding="utf-8") as out:
        for first in range(0, TRADES, A_FRAME):
            data = [
                {"s": f"A{n % symbols}", "p": 100 + n % 50 / 100, "t": start + n * every_ms, "v": 1 + n % 9, "c": None}
                for n in range(first, first + A_FRAME)
            ]
            out.write(json.dumps({"type": "trade", "data": data}) + "\n")
    return file


@pytest.mark.parametrize(
    ("symbols", "every_ms"),
    [
        pytest.param(4, 10, id="few-busy-symbols"),
        # each trade has a bar of its own, to load, to write and to count: a connection takes 8,192 requests at once
        pytest.param(1_000, 60, id="many-quiet-symbols"),
    ],
)
def test_sixty_thousand_records_are_caught_up_with(
    pipeline: RunningPipeline, tmp_path: Path, symbols: int, every_ms: int
) -> None:
    yesterday = int(datetime.now(UTC).timestamp() * 1000) // DAY_MS * DAY_MS - DAY_MS
    file = recording(tmp_path / "trades.jsonl", yesterday, symbols, every_ms)
    pipeline.up(
        "--feed", "replay", "--replay-file", str(file), "--replay-speed", "max", "--replay-once", "--no-dagster"
    )
    wait_for(lambda: pipeline.status()["feed"]["received"] == TRADES, "every trade to be received", within_s=120)
    day = str(datetime.fromtimestamp(yesterday / 1000, UTC).date())

    def caught_up() -> bool:
        return pipeline.status()["stream"]["lag"] == 0

    wait_for(caught_up, "the stream to catch up", within_s=600)
    report = pipeline.reconciled(day)
    assert report["lost"] == report["doubled"] == 0, report
    assert report["counts"]["silver"] == TRADES
