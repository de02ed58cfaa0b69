"""Whether prices are as new as they should be, given that their markets are open.

One quiet symbol is no fault; a whole market without a trade in its session is. So each kind of market is judged by the
newest price of its symbols.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from market_pipeline.sessions import BUSY, Session, market_of, session_of

QUIET_LIMIT = timedelta(minutes=10)
"""The runbook's: zero trades for ten minutes."""


@dataclass(frozen=True)
class MarketFreshness:
    """A market at one moment.

    Attributes:
        market: what its symbols have in common, such as ``crypto``.
        session: what the market does.
        expected: it has been in a busy session for ``QUIET_LIMIT``, so that there must be trades.
        age: that of its newest price, None when it never had one.
    """

    market: str
    session: Session
    expected: bool
    age: timedelta | None

    @property
    def stale(self) -> bool:
        return self.expected and (self.age is None or self.age > QUIET_LIMIT)

    @property
    def newest(self) -> str:
        """How old the newest price is, in words."""
        if self.age is None:
            return "never traded"
        return f"{max(0.0, self.age.total_seconds()):.0f} s old"  # a feed's clock may be ahead of ours

    def __str__(self) -> str:
        if self.session is Session.CLOSED:
            return f"{self.market}: closed"
        age = self.newest if self.age is None else f"newest price {self.newest}"
        return f"{self.market}: {self.session}, {age}"


def judge(newest: Mapping[str, datetime | None], now: datetime) -> list[MarketFreshness]:
    """Each market among the symbols.

    Args:
        newest: event time of each symbol's newest price.
        now: the moment to judge, with a zone.
    """
    by_market: dict[str, list[str]] = {}
    for symbol in newest:
        by_market.setdefault(market_of(symbol), []).append(symbol)
    judged = []
    for market, symbols in sorted(by_market.items()):
        session = session_of(symbols[0], now)
        expected = session in BUSY and session_of(symbols[0], now - QUIET_LIMIT) is session
        times = [at for symbol in symbols if (at := newest[symbol]) is not None]
        judged.append(MarketFreshness(market, session, expected, now - max(times) if times else None))
    return judged
