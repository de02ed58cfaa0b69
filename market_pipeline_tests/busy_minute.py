"""A busy minute of a coin, made anew the same each time: 2,001 trades in 156 frames, with twins and bursts.

Its shape is that of a minute that was recorded from a real exchange, which is not part of the repository: up to dozens
of trades in a millisecond, several of them equal in everything, sizes of a satoshi's fraction to whole coins, trades
that are not in order of time.
"""

import json
import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

SYMBOL = "BINANCE:BTCUSDT"
DAY = "2021-01-08"
TRADES, FRAMES, TWINS = 2001, 156, 12
_BEGINS_MS = 1_610_064_000_000
"""Midnight of that day, UTC."""


def write(file: Path) -> None:
    """Write the frames, one a line, as the vendor sends them."""
    file.write_text("".join(f"{frame}\n" for frame in _frames()), encoding="ascii")


def _frames() -> Iterator[str]:
    trades = _trades(random.Random(2021))
    cuts = sorted(random.Random(8).sample(range(1, TRADES), FRAMES - 1))
    for start, end in zip([0, *cuts], [*cuts, TRADES], strict=True):
        yield '{"data":[' + ",".join(trades[start:end]) + '],"type":"trade"}'


def _trades(chance: random.Random) -> list[str]:
    ticks, at, made = 3_943_248, 278, list[str]()
    while len(made) < TRADES:
        if len(made) % (TRADES // TWINS) == TRADES // TWINS - 1:
            made.append(made[-1])
            continue
        at = min(59_990, max(0, at + (0 if chance.random() < 0.45 else chance.randint(-3, 105))))
        ticks += round(chance.gauss(0, 220))
        volume = f"{chance.lognormvariate(-5.5, 2.2):.6f}"
        volume = volume if Decimal(volume) else "0.000001"
        price = f"{ticks // 100}.{ticks % 100:02d}"
        made.append(f'{{"c":null,"p":{price},"s":"{SYMBOL}","t":{_BEGINS_MS + at},"v":{volume}}}')
    return made


def trades_of(file: Path) -> list[dict[str, Any]]:
    """The file's trades in order, with every digit."""
    lines = file.read_text(encoding="ascii").splitlines()
    return [trade for line in lines for trade in json.loads(line, parse_float=Decimal)["data"]]


def bar_of(file: Path) -> dict[str, Any]:
    """The one bar of its minute, reckoned from the file alone; of one millisecond the first is the first to arrive."""
    trades = sorted(trades_of(file), key=lambda trade: trade["t"])  # stable: order of arrival within a millisecond
    prices = [Decimal(trade["p"]) for trade in trades]
    return {
        "open": prices[0],
        "high": max(prices),
        "low": min(prices),
        "close": prices[-1],
        "volume": sum((Decimal(trade["v"]) for trade in trades), Decimal(0)),
        "trades": len(trades),
    }
