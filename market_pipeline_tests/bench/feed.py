"""How many trades a second get from the feed's socket into Kafka: through the journal, and without one."""

import json
import random
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from market_pipeline.local.ports import is_free
from market_pipeline_tests.bench.arms import ALTERNATIVES
from market_pipeline_tests.bench.programs import program
from market_pipeline_tests.bench.servers import Servers, say, wait_until

LARGEST_FRAME = 12
WITHIN_S = 300.0
SYMBOL = "BENCH:FEED"
WITH, WITHOUT = "producer, with the journal", "websocket to Kafka, without one"


def measure(servers: Servers, *, rounds: int, trades: int) -> dict[str, Any]:
    """Trades a second of both by round; they take turns. From the first that Kafka has to the last."""
    file = _recording(servers.folder / "feed.jsonl", trades)
    rates: dict[str, list[float]] = {WITH: [], WITHOUT: []}
    url = f"ws://{servers.settings.feed_host}:{servers.settings.ports.feed}"
    commands = {
        WITH: [sys.executable, "-m", "market_pipeline.feed.producer"],
        WITHOUT: [sys.executable, "-m", f"{ALTERNATIVES}.forwarder", url],
    }
    for number in range(1, rounds + 1):
        for name, command in commands.items():
            say(f"round {number} of {rounds}: {trades:,} trades by {name}")
            rates[name].append(_rate(servers, file, command, trades))
            say(f"{rates[name][-1]:,.0f} trades/s")
    return {"trades": trades, "rates": rates}


def _rate(servers: Servers, file: Path, command: list[str], trades: int) -> float:
    variables = {
        "MARKET_PIPELINE_FEED": "replay",
        "MARKET_PIPELINE_REPLAY_FILE": str(file),
        "MARKET_PIPELINE_REPLAY_SPEED": "max",
        "MARKET_PIPELINE_REPLAY_ONCE": "yes",
        "MARKET_PIPELINE_SYMBOLS": SYMBOL,
    }
    before = servers.records()
    server = [sys.executable, "-m", "market_pipeline.feed.server"]
    with ExitStack() as stack:
        feed = stack.enter_context(program("feed-server", servers.settings, server, **variables))
        port = servers.settings.ports.feed
        wait_until(lambda: not is_free(port), "the feed to listen", within_s=60, programs=(feed,))
        client = stack.enter_context(program("producer", servers.settings, command, **variables))
        wait_until(lambda: servers.records() > before, "the first trade", within_s=60, programs=(feed,), poll_s=0.01)
        began, first = time.monotonic(), servers.records()
        wait_until(
            lambda: servers.records() >= before + trades, "every trade", within_s=WITHIN_S, programs=(feed, client),
            poll_s=0.05,
        )  # fmt: skip
        return (before + trades - first) / (time.monotonic() - began)


def _recording(file: Path, trades: int) -> Path:
    rng = random.Random(3)
    start = int(time.time() * 1000) - trades
    with file.open("w", encoding="utf-8") as out:
        number = 0
        while number < trades:
            data = [
                {
                    "c": None,
                    "p": round(rng.uniform(90, 110), 2),
                    "s": SYMBOL,
                    "t": start + n,
                    "v": round(rng.uniform(0.1, 9), 3),
                }
                for n in range(number, min(trades, number + rng.randint(1, LARGEST_FRAME)))
            ]
            number += len(data)
            out.write(json.dumps({"data": data, "type": "trade"}, separators=(",", ":")) + "\n")
    return file
