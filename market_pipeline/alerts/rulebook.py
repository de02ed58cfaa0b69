"""Every rule, and what each says of a look."""

from collections.abc import Callable, Mapping

from market_pipeline.alerts import engine
from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.rules import cassandra_disk, high_latency, kafka_down, zero_trades
from market_pipeline.alerts.signal import Signal

_JUDGES: Mapping[Rule, Callable[[Look], Signal]] = {
    each.RULE: each.judge for each in (zero_trades, high_latency, kafka_down, cassandra_disk)
}

RULES: Mapping[str, Rule] = engine.check(_JUDGES)


def judge(look: Look) -> list[Signal]:
    """What each rule says of one look."""
    return [judge_by(look) for judge_by in _JUDGES.values()]
