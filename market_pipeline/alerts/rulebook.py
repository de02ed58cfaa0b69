"""Every rule, and what each says of a look."""

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase

from market_pipeline.alerts import engine
from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.rules import (
    cassandra_disk,
    cassandra_down,
    clock,
    consumer_lag,
    dead_letters,
    feed_gap,
    high_latency,
    journal_filling,
    kafka_down,
    key,
    programs,
    runs,
    stream_stalled,
    trade_rate,
    vendor_delay,
    zero_trades,
)
from market_pipeline.alerts.signal import Signal
from market_pipeline.alerts.silence import NoSilence, Silence

_JUDGES: Mapping[Rule, Callable[[Look], Signal | Iterable[Signal]]] = {
    zero_trades.RULE: zero_trades.judge,
    trade_rate.RULE: trade_rate.judge,
    high_latency.RULE: high_latency.judge,
    kafka_down.RULE: kafka_down.judge,
    cassandra_disk.RULE: cassandra_disk.judge,
    cassandra_down.RULE: cassandra_down.judge,
    stream_stalled.RULE: stream_stalled.judge,
    consumer_lag.RULE: consumer_lag.judge,
    dead_letters.RULE: dead_letters.judge,
    feed_gap.RULE: feed_gap.judge,
    journal_filling.RULE: journal_filling.judge,
    vendor_delay.RULE: vendor_delay.judge,
    key.RULE: key.judge,
    clock.RULE: clock.judge,
    runs.FAILED_RUN: runs.judge_runs,
    runs.FAILED_CHECK: runs.judge_checks,
    runs.MISSED_SCHEDULE: runs.judge_schedules,
}

_OF_PROGRAMS: Mapping[Rule, Callable[[Look], Iterable[Signal]]] = {
    programs.DOWN: programs.judge_down,
    programs.HUNG: programs.judge_hung,
}
"""They need no word of any server, so they are judged more often, and by nobody else: a look that took seconds knows
less of a program than one of just now."""

RULES: Mapping[str, Rule] = engine.check([*_JUDGES, *_OF_PROGRAMS])


def about_some_rule(silence: Silence) -> Silence:
    """The silence.

    Raises:
        NoSilence: there is no rule that it is about.
    """
    if not any(fnmatchcase(each, silence.rule) for each in RULES):
        raise NoSilence(
            f"there is no rule {silence.rule!r}; there are {', '.join(RULES)}, and patterns such as 'cassandra-*'"
        )
    return silence


def judge_programs(look: Look) -> list[Signal]:
    """What the rules of programs say of one look."""
    return [signal for judge_by in _OF_PROGRAMS.values() for signal in judge_by(look)]


def judge(look: Look) -> list[Signal]:
    """What each other rule says of one look."""
    said: list[Signal] = []
    for judge_by in _JUDGES.values():
        signals = judge_by(look)
        said += [signals] if isinstance(signals, Signal) else signals
    return said
