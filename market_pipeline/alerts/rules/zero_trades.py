"""Runbook 1, "Pipeline Down - Zero Trades": no trades received in the last ten minutes, though there should be some.

Who is at fault is told by evidence: we (the producer is down, or its connection), or the vendor (connected, answered,
and no trade), or nobody (the market is quiet, or halted: by its quotes the vendor's own last trade is as old as ours).
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.feed.disconnect import Reason
from market_pipeline.feed.quote import Quote
from market_pipeline.local.processes import STOPPED
from market_pipeline.sessions import MarketKind, is_busy, kind_of

WINDOW = timedelta(minutes=10)
PING_WITHIN_S = 130.0
"""The vendor sends a ping about every minute: a connection without any message for longer is dead."""
QUOTE_WITHIN_S = 180.0
"""The producer asks each minute while its stream is silent."""

RULE = Rule(
    "zero-trades",
    "No trades received in the last 10 minutes",
    Severity.P1,
    runbook="Common Alerts 1: Pipeline Down - Zero Trades",
    clear_s=60,
    inhibits=frozenset({"trade-rate"}),
    remedy="restart_producer",
)
_signal = partial(Signal, RULE.id, "feed")


def judge(look: Look) -> Signal:
    """Whether trades arrive as they should, by what Kafka has of the last ten minutes."""
    if look.arrivals:
        return _signal(Verdict.FINE, f"{look.arrivals:,} trades in the last 10 minutes", look.arrivals)
    if look.arrivals is None:
        return _signal(Verdict.UNKNOWN, "Kafka does not say how many trades came")
    if look.feed == "replay":
        return _signal(Verdict.FINE, "a replay is as quiet as its recording", 0)
    busy = expected(look.symbols, datetime.fromtimestamp(look.now, UTC))
    if not busy:
        return _signal(Verdict.FINE, "no subscribed market is in session", 0)
    text = f"no trade for 10 minutes in session of {', '.join(busy[:5])}: {cause(look)}"
    told = dict(evidence(look))
    if is_halt(look, busy):  # nobody is to be woken for it, and no new connection ends it
        return _signal(Verdict.FAULT, text, 0, Severity.P3, told, mendable=False)
    return _signal(Verdict.FAULT, text, 0, evidence=told)


def expected(symbols: Iterable[str], now: datetime) -> list[str]:
    """The symbols whose market has been in a busy session for all of the window."""
    return [symbol for symbol in symbols if is_busy(symbol, now) and is_busy(symbol, now - WINDOW)]


def evidence(look: Look) -> Iterator[tuple[str, str]]:
    """What tells the cause: the way from Kafka on by its canary, the way before it by the connection's own signs."""
    feed = look.snapshot.feed
    yield "connected", f"to {look.feed}" if feed.connected else "no"
    if feed.last_received_age_s is not None:
        yield "last message or ping", f"{feed.last_received_age_s:.0f} s ago"
    if look.canaries:
        newest = look.canaries[-1]
        took = f"queryable after {newest.delay_s:.2f} s" if newest.delay_s is not None else "not queryable yet"
        yield "canary", f"sent {max(0.0, look.now - newest.sent_at):.0f} s ago, {took}"
    if (quote := fresh_quote(look)) is not None:
        asked = f", the newest of {quote.asked} symbols" if quote.asked > 1 else ""
        yield "vendor's quote", f"last {quote.symbol} trade {age(look.now - quote.traded_at)} ago{asked}"


def cause(look: Look) -> str:
    """Whose fault it is, by the producer's own word and the vendor's quotes."""
    if (why := deaf(look)) is not None:
        return why
    quote = fresh_quote(look)
    if quote is None:
        return "the vendor is mute: connected, pings come, trades do not"
    ago = age(look.now - quote.traded_at)
    if trades_on(quote, look):
        last = f"last {quote.symbol} trade {ago} ago by its quote"
        return f"the vendor trades on ({last}): its stream is mute, or we are deaf"
    why = "a halt, a quiet market, or an outage of the vendor's"
    return f"the vendor's own last trade of {quote.symbol} is {ago} old: {why}"


def deaf(look: Look) -> str | None:
    """What is wrong on our side of the connection, by the producer's own word; None where nothing is."""
    feed, producer = look.snapshot.feed, look.snapshot.processes.get("producer")
    if look.snapshot.supervisor is None and not look.supervised:
        return "the producer is not watched from here"
    if producer is not None and producer.state == STOPPED:
        return "we are deaf: the producer was stopped on purpose"
    if producer is None or producer.pid is None:
        return "we are deaf: the producer does not run"
    if feed.silent_s is not None:
        return f"we are deaf: the producer has not answered for {feed.silent_s:.0f} s"
    if feed.journal_error is not None:
        return f"we are deaf: there is no room for the journal ({feed.journal_error})"
    told = (feed.last_disconnect or {}).get("reason", "not connected yet")
    # from a feed that brings no trade the producer parts by itself, to connect anew
    if not feed.connected and (told != Reason.MUTE or fresh_quote(look) is None):
        return f"we are deaf: not connected to the feed ({told})"
    if feed.kafka_error is not None:
        return f"trades wait in the journal: Kafka does not take them ({feed.kafka_error})"
    if feed.last_received_age_s is None or feed.last_received_age_s > PING_WITHIN_S:
        return "the connection is dead: not even a ping comes"
    return None


def is_halt(look: Look, busy: Iterable[str]) -> bool:
    """Whether the vendor has no newer trade either; crypto and forex, of which it gives no quotes, have no halts."""
    quote = fresh_quote(look)
    stocks = all(kind_of(symbol) is MarketKind.STOCK for symbol in busy)
    return quote is not None and stocks and deaf(look) is None and not trades_on(quote, look)


def trades_on(quote: Quote, look: Look) -> bool:
    """Whether the vendor has a trade of the minutes in which we had none."""
    return look.now - quote.traded_at < WINDOW.total_seconds()


def fresh_quote(look: Look) -> Quote | None:
    """The vendor's answer, unless it is old."""
    quote = look.quote
    return quote if quote is not None and abs(look.now - quote.asked_at) <= QUOTE_WITHIN_S else None


def age(seconds: float) -> str:
    """Such as ``12 s`` or ``14 min``."""
    return f"{max(0.0, seconds):.0f} s" if seconds < 120.0 else f"{seconds / 60:.0f} min"
