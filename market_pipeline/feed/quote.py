"""The vendor's own last trade, by its quote endpoint: asked while the stream brings none though a stock market is open.

It tells a stream that is mute from a halt. The producer asks, for it alone has the key.
"""

import http.client
import json
import logging
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from threading import Event
from typing import Any

from market_pipeline.endpoints import is_loopback
from market_pipeline.sessions import MarketKind, kind_of

logger = logging.getLogger(__name__)
KEY_HEADER = "X-Finnhub-Token"
ANSWER_WITHIN_S = 2.0
LONGEST_ANSWER = 10_000
ASK_EVERY_S = 60.0
SILENT_S = 300.0
"""Asked from then on, so that several symbols' answers are there when ten minutes are over."""


@dataclass(frozen=True)
class Quote:
    """The newest trade that the vendor's quotes know of.

    Attributes:
        symbol: whose trade it is.
        traded_at: epoch seconds.
        asked_at: when a quote was last answered, epoch seconds.
        asked: of how many symbols they were.
    """

    symbol: str
    traded_at: float
    asked_at: float
    asked: int = 1


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to whoever it names."""

    def redirect_request(self, *_: object) -> None:
        return None


def ask_quote(url: str, key: str, symbol: str) -> float | None:
    """When the vendor last saw a trade of the symbol, epoch seconds; None where it does not say."""
    where = f"{url}/quote?symbol={urllib.parse.quote(symbol, safe='')}"
    try:
        request = urllib.request.Request(where, headers={KEY_HEADER: key})
        # of this machine no proxy is asked: the key would go to it in clear
        proxies = urllib.request.ProxyHandler({} if is_loopback(urllib.parse.urlsplit(url).hostname or "") else None)
        with urllib.request.build_opener(NoRedirect, proxies).open(request, timeout=ANSWER_WITHIN_S) as answer:
            traded_at = float(json.loads(answer.read(LONGEST_ANSWER))["t"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
    return traded_at if 0.0 < traded_at < float("inf") else None  # 0 of a symbol that it does not know


class Quotes:
    """Asks of one symbol after another, once a minute, while the stream is silent.

    Args:
        ask: when the vendor last saw a trade of a symbol, epoch seconds.
        symbols: those that are subscribed; of stocks alone the free plan has quotes.
        newest_ts: of the newest trade that came, epoch milliseconds; None before the first one.
        is_busy: whether trades of a symbol are to be expected now.
        now: epoch seconds.
    """

    def __init__(
        self,
        ask: Callable[[str], float | None],
        symbols: Sequence[str],
        newest_ts: Callable[[], int | None],
        is_busy: Callable[[str], bool],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._ask, self._newest_ts, self._is_busy, self._now = ask, newest_ts, is_busy, now
        self._stocks = [symbol for symbol in symbols if kind_of(symbol) is MarketKind.STOCK]
        self._since = now()
        self._turn = 0
        self._traded_at: dict[str, float] = {}
        self._quote: Quote | None = None

    def run(self, stopped: Event) -> None:
        """Ask until stopped."""
        while not stopped.wait(ASK_EVERY_S):
            try:
                self.ask_next()
            except Exception:  # evidence for an alert must not end the producer
                logger.exception("the vendor's quote could not be asked")

    def ask_next(self) -> None:
        """Ask of the symbol whose turn it is, if the stream is silent; else forget what was told."""
        heard_at = max(self._since, (self._newest_ts() or 0) / 1000)
        busy = [symbol for symbol in self._stocks if self._is_busy(symbol)]
        if not busy or self._now() - heard_at < SILENT_S:
            self._traded_at, self._quote = {}, None
            return
        symbol = busy[self._turn % len(busy)]
        self._turn += 1
        traded_at = self._ask(symbol)
        if traded_at is not None:
            self._traded_at[symbol] = traded_at
            newest = max(self._traded_at, key=lambda each: self._traded_at[each])
            self._quote = Quote(newest, self._traded_at[newest], self._now(), len(self._traded_at))

    def told(self) -> dict[str, Any] | None:
        """For the heartbeat."""
        quote = self._quote
        return asdict(quote) if quote is not None else None
