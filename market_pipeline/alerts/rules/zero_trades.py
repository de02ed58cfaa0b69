"""Runbook 1, "Pipeline Down - Zero Trades": no trades received in the last ten minutes, though there should be some.

Who is at fault is told by evidence: we (the producer is down, or its connection), or the vendor (connected, answered,
and no trade), or nobody (the market is quiet).
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.sessions import is_busy

WINDOW = timedelta(minutes=10)
PING_WITHIN_S = 130.0
"""The vendor sends a ping about every minute: a connection without any message for longer is dead."""

RULE = Rule(
    "zero-trades",
    "No trades received in the last 10 minutes",
    Severity.P1,
    runbook="Common Alerts 1: Pipeline Down - Zero Trades",
    clear_s=60,
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
    return _signal(Verdict.FAULT, text, 0, evidence=dict(evidence(look)))


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


def cause(look: Look) -> str:
    """Whose fault it is, by the producer's own word."""
    feed, producer = look.snapshot.feed, look.snapshot.processes.get("producer")
    if look.snapshot.supervisor is None and not look.supervised:
        return "the producer is not watched from here"
    if producer is None or producer.pid is None:
        return "we are deaf: the producer does not run"
    if feed.silent_s is not None:
        return f"we are deaf: the producer has not answered for {feed.silent_s:.0f} s"
    if feed.journal_error is not None:
        return f"we are deaf: there is no room for the journal ({feed.journal_error})"
    if not feed.connected:
        told = (feed.last_disconnect or {}).get("reason", "not connected yet")
        return f"we are deaf: not connected to the feed ({told})"
    if feed.kafka_error is not None:
        return f"trades wait in the journal: Kafka does not take them ({feed.kafka_error})"
    if feed.last_received_age_s is None or feed.last_received_age_s > PING_WITHIN_S:
        return "the connection is dead: not even a ping comes"
    return "the vendor is mute: connected, pings come, trades do not"
