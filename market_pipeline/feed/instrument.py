"""How a simulated symbol behaves: its price, its grain, its sizes, and when it trades. Invented, but believable."""

import hashlib
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from market_pipeline.sessions import MarketKind, kind_of

_NEW_YORK = ZoneInfo("America/New_York")

_STARTING_PRICES = {
    "AAPL": 231.0, "MSFT": 418.0, "GOOGL": 176.0, "AMZN": 203.0, "NVDA": 141.0, "TSLA": 338.0, "META": 565.0,
    "BINANCE:BTCUSDT": 97_400.0, "BINANCE:ETHUSDT": 3_380.0, "BINANCE:SOLUSDT": 242.0,
    "OANDA:EUR_USD": 1.0471, "OANDA:GBP_USD": 1.2553, "OANDA:USD_JPY": 154.21,
}  # fmt: skip
_EXTENDED, _CLOSED = 0.12, 0.02
"""How busy a stock is outside the regular session. Never still, so that a demonstration at night shows every symbol."""


@dataclass
class Instrument:
    """A symbol's state.

    Attributes:
        symbol: the vendor's.
        kind: of market.
        ticks: its price in units of 10^-``decimals`` of the quote currency.
        decimals: digits of its price after the point.
        step: standard deviation of the change from trade to trade, in ticks.
        popularity: how much it trades when its market is open, relative to others.
        regular: whether the regular session was on when ``activity`` was last asked.
    """

    symbol: str
    kind: MarketKind
    ticks: int
    decimals: int
    step: float
    popularity: float
    regular: bool = True

    def activity(self, at_ms: int) -> float:
        """How much it trades from that moment on, relative to others: by session, and a U shape within the regular one.

        Without holidays: loading a calendar would take longer than the rest of the start.
        """
        at = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(_NEW_YORK)
        hour = at.hour + at.minute / 60 if at.weekday() < 5 else 0.0
        self.regular = 9.5 <= hour < 16
        if self.kind is not MarketKind.STOCK:
            return self.popularity
        if not self.regular:
            return self.popularity * (_EXTENDED if 4 <= hour < 20 else _CLOSED)
        return self.popularity * (0.7 + 0.06 * (hour - 12.75) ** 2)  # opening and closing are busier than noon

    def price(self, chance: random.Random) -> str:
        """The next price, one step of a random walk on, as JSON text with the symbol's own digits."""
        self.ticks = max(1, self.ticks + round(chance.gauss(0.0, self.step)))
        whole, fraction = divmod(self.ticks, 10**self.decimals)
        return f"{whole}.{fraction:0{self.decimals}d}".rstrip("0").rstrip(".")

    def volume(self, chance: random.Random) -> str:
        """A size as JSON text: shares, often an odd lot; fractions of a coin; 0 at a broker, as the vendor sends it."""
        if self.kind in (MarketKind.FOREX, MarketKind.CFD):
            return "0"
        if self.kind is MarketKind.STOCK:
            return str(chance.choice((100, 200, 300, 500)) if chance.random() < 0.4 else chance.randint(1, 99))
        millionths = max(1, round(chance.lognormvariate(8.5, 2.0)))
        return f"{millionths / 1e6:.6f}".rstrip("0").rstrip(".")

    def conditions(self, volume: str) -> str:
        """The condition codes as JSON text: stocks have some, odd lots 12, extended hours 24; others null."""
        if self.kind is not MarketKind.STOCK:
            return "null"
        codes = ["1"]
        if len(volume) < 3:
            codes.append("12")
        if not self.regular:
            codes.append("24")
        return "[" + ",".join(f'"{code}"' for code in codes) + "]"


def instrument(symbol: str, seed: int) -> Instrument:
    """The symbol at its start; the same seed makes the same one."""
    digest = int.from_bytes(hashlib.sha256(f"{seed}/{symbol}".encode()).digest()[:8], "big")
    chance = random.Random(digest)
    kind = kind_of(symbol)
    decimals = {MarketKind.FOREX: 5, MarketKind.CFD: 3, MarketKind.CRYPTO: 2, MarketKind.STOCK: 2}[kind]
    price = _STARTING_PRICES.get(symbol) or (1.1 if kind is MarketKind.FOREX else chance.uniform(15, 400))
    price *= 1 + chance.gauss(0, 0.002)
    ticks = max(1, round(price * 10**decimals))
    return Instrument(symbol, kind, ticks, decimals, max(0.6, ticks * 0.00002), chance.uniform(0.4, 1.6))
