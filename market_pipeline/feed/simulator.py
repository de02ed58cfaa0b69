"""Invented trades that look like a feed's: seeded, and reproducible given the moment they start. Pure.

What real feeds do to their readers is in it: bursts, several trades in one millisecond, messages that mix symbols,
times that run backwards within a message, trades that come seconds late, and prices without volume.
"""

import math
import random
from collections.abc import Collection
from itertools import accumulate
from typing import NamedTuple

from market_pipeline.feed.instrument import Instrument, instrument

STEP_MS = 20
"""The simulated feed sends what came within so many milliseconds."""
_LATE_SHARE = 0.003
_LATE_MS = (500, 8_000)
_JITTER_MS = 40
_LARGEST_MESSAGE = 60
_BURST_FACTOR = 4.0
_BURST_STARTS, _BURST_ENDS = 0.01, 0.1
"""Chances a step; bursts last 10 steps on average and take 9 % of the time."""
_CALM_FACTOR = 1 / (1 + (_BURST_FACTOR - 1) * _BURST_STARTS / (_BURST_STARTS + _BURST_ENDS))
"""Makes the mean rate the one that was asked for."""
_ACTIVITY_EVERY = 500


class Batch(NamedTuple):
    """What the feed sends at one moment: messages, and how many trades they hold; ``at_ms`` is epoch milliseconds."""

    at_ms: int
    messages: list[bytes]
    trades: int


class Simulator:
    """An endless feed.

    Args:
        rate: trades a second over all symbols, on average.
        seed: same seed, same start and same symbols: same trades.
        start_ms: epoch milliseconds of the first moment.
    """

    def __init__(self, rate: float, seed: int, start_ms: int) -> None:
        self._rate = rate
        self._seed = seed
        self._now_ms = start_ms
        self._chance = random.Random(seed)
        self._instruments: dict[str, Instrument] = {}
        self._weights: list[float] = []
        self._weights_age = 0
        self._bursting = False

    def listen(self, symbols: Collection[str]) -> None:
        """From now on the feed is about these symbols; those known before go on where they are."""
        self._instruments = {s: self._instruments.get(s) or instrument(s, self._seed) for s in sorted(symbols)}
        self._weights = []

    def skip_to(self, at_ms: int) -> None:
        """Leave out what would have come until ``at_ms``."""
        self._now_ms = max(self._now_ms, at_ms)

    def step(self) -> Batch:
        """The next batch, of ``STEP_MS``; it may be empty."""
        self._now_ms += STEP_MS
        change = self._chance.random() < (_BURST_ENDS if self._bursting else _BURST_STARTS)
        self._bursting ^= change
        factor = _CALM_FACTOR * (_BURST_FACTOR if self._bursting else 1.0)
        count = self._poisson(self._rate * STEP_MS / 1000 * factor) if self._instruments else 0
        if not count:
            return Batch(self._now_ms, [], 0)
        chosen = self._chance.choices([*self._instruments.values()], cum_weights=self._cumulative_activity(), k=count)
        trades = [self._trade(traded) for traded in chosen]
        messages = []
        while trades:
            size = self._chance.randint(1, _LARGEST_MESSAGE)
            messages.append(('{"data":[' + ",".join(trades[:size]) + '],"type":"trade"}').encode())
            trades = trades[size:]
        return Batch(self._now_ms, messages, count)

    def _trade(self, traded: Instrument) -> str:
        chance = self._chance
        ts = self._now_ms - int(chance.expovariate(1 / _JITTER_MS) if chance.random() < 0.3 else chance.random() * 5)
        if chance.random() < _LATE_SHARE:
            ts -= chance.randint(*_LATE_MS)
        volume = traded.volume(chance)
        conditions, price = traded.conditions(volume), traded.price(chance)
        return f'{{"c":{conditions},"p":{price},"s":"{traded.symbol}","t":{ts},"v":{volume}}}'

    def _cumulative_activity(self) -> list[float]:
        """Who is how likely to trade next; looked up now and then, since sessions change slowly."""
        if not self._weights or self._weights_age >= _ACTIVITY_EVERY:
            self._weights = [*accumulate(i.activity(self._now_ms) for i in self._instruments.values())]
            self._weights_age = 0
        self._weights_age += 1
        return self._weights

    def _poisson(self, mean: float) -> int:
        """A Poisson variate; by the normal approximation where that is as good (Knuth's product below)."""
        if mean > 50:
            return max(0, round(self._chance.gauss(mean, math.sqrt(mean))))
        limit, count, product = math.exp(-mean), 0, self._chance.random()
        while product > limit:
            product *= self._chance.random()
            count += 1
        return count
