"""How many trades came within ten minutes: by the records' times, and no more than Kafka's ends moved by.

After a clock was set back by an hour the records of that hour are as new as what comes now, and a dead feed would be
missed for as long. No clock moves Kafka's ends; those of past looks are the bound.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from market_pipeline.alerts.history import ARRIVALS, CANARIES, EVER, KEPT_S, History
from market_pipeline.alerts.look import Look

OVER_S = 600.0
ANSWERED_WITHIN_S = 10.0
"""The ends are as of some seconds after the moment of their look."""
LOOKS_APART_S = 60.0


def with_arrivals(look: Look, history: History) -> Look:
    """The look with its arrivals bounded and with those of past days, and kept for those after it.

    Raises:
        sqlite3.Error: the history can't be used.
    """
    canaries = history.newest(CANARIES) or 0.0
    if look.canary_taken:
        history.remember(CANARIES, look.now, canaries := canaries + 1)
    if look.snapshot.kafka.live and look.snapshot.kafka.end:
        ever = sum(look.snapshot.kafka.end.values()) - canaries - look.smoke_tests
        history.remember(EVER, look.now, ever)
        look = replace(look, arrivals=bounded(look.arrivals, ever, history.since(EVER, 0.0), look.now))
    series = f"{ARRIVALS}/{fingerprint(look.feed, look.symbols)}"
    if look.arrivals is not None:
        history.remember(series, look.now, look.arrivals)
    return replace(look, past_arrivals=history.since(series, look.now - KEPT_S[ARRIVALS]))


def bounded(arrivals: int | None, ever: float, before: Sequence[tuple[float, float]], now: float) -> int | None:
    """The arrivals, or what Kafka's ends moved by where that is less.

    Args:
        arrivals: by the records' times.
        ever: how many trades Kafka ever had.
        before: the same at past looks, the oldest first: (epoch seconds, trades).
        now: epoch seconds.
    """
    latest = now - OVER_S - ANSWERED_WITHIN_S
    then = [trades for at, trades in before if latest - LOOKS_APART_S <= at <= latest]
    if arrivals is None or not then or ever < then[-1]:  # a topic that was made anew begins at 0
        return arrivals
    return min(arrivals, int(ever - then[-1]))


def fingerprint(feed: str, symbols: Iterable[str]) -> str:
    """Of what the arrivals are: with other symbols they can't be compared."""
    return hashlib.sha256(" ".join([feed, *sorted(symbols)]).encode()).hexdigest()[:12]
