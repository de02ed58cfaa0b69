"""What a person wants to see beside a verdict: how the figure came to be what it is, and the end of a log."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rules import (
    cassandra_disk,
    cassandra_down,
    consumer_lag,
    dead_letters,
    high_latency,
    kafka_down,
    programs,
    stream_stalled,
)
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.charts import sparkline
from market_pipeline.feed.secrecy import Secrecy
from market_pipeline.local.logs import log_files, tail
from market_pipeline.settings import SECRETS, Settings
from market_pipeline.which import where_flags

LOG_LINES, LOOKED_BACK, LOG_WIDTH = 5, 300, 200
_DATED = re.compile(r"\W{0,5}(?:INFO|WARN|ERROR|\[|\d{4}-\d\d-\d\d)")
_OF_A_PROGRAM = frozenset({programs.DOWN.id, programs.HUNG.id, kafka_down.RULE.id, cassandra_down.RULE.id})
_SERIES: Mapping[str, tuple[str, Callable[[Look], Sequence[tuple[float, float]]]]] = {
    consumer_lag.RULE.id: ("lag", lambda look: look.lags),
    high_latency.RULE.id: ("lag", lambda look: look.lags),
    stream_stalled.RULE.id: ("lag", lambda look: look.lags),
    cassandra_disk.RULE.id: ("disk used", lambda look: [(at, 100 * part) for at, part in look.disk_used]),
}
"""What is drawn for which rule."""


def with_evidence(settings: Settings, look: Look, signals: Iterable[Signal]) -> Iterator[Signal]:
    """The signals, without our keys; the faults among them with a chart, the end of a log or the page of a run, where
    there is one."""
    secrecy = secrecy_of(settings)
    for signal in signals:
        if signal.verdict is not Verdict.FAULT:
            yield replace(signal, text=secrecy.redact(signal.text))
            continue
        more = dict(chart(signal.rule, look))
        if signal.rule in _OF_A_PROGRAM and (said := last_lines(settings, signal.subject)):
            more["the end of its log"] = said
        if signal.rule == dead_letters.RULE.id:
            read = f"market-pipeline topics read {settings.dead_letter_topic} --max-messages 5"
            more["to see them"] = f"{read}{where_flags(settings)}"
        if "run" in signal.evidence and settings.dagster:
            more["its page"] = f"{settings.page_url}/runs/{signal.evidence['run']}"
        evidence = redacted({**signal.evidence, **more}, secrecy)
        yield replace(signal, text=secrecy.redact(signal.text), evidence=evidence)


def secrecy_of(settings: Settings) -> Secrecy:
    """Knows every secret of the settings."""
    kept: list[SecretStr | None] = [getattr(settings, name) for name in SECRETS]
    return Secrecy(*(each.get_secret_value() for each in kept if each is not None))


def redacted(value: Any, secrecy: Secrecy) -> Any:
    """A piece of evidence without our keys, however deep they are in it."""
    match value:
        case str():
            return secrecy.redact(value)
        case Mapping():
            return {redacted(name, secrecy): redacted(each, secrecy) for name, each in value.items()}
        case list() | tuple():
            return [redacted(each, secrecy) for each in value]
        case _:
            return value


def chart(rule: str, look: Look) -> Iterator[tuple[str, str]]:
    """The rule's figure over time as a line of blocks. Pure."""
    name, series = _SERIES.get(rule, ("", lambda _: ()))
    points = series(look)
    if len(points) > 1:
        values = [value for _, value in points]
        since = f"{datetime.fromtimestamp(points[0][0], UTC):%m-%d %H:%M}"
        yield f"{name} since {since} UTC", f"{sparkline(values)} from {min(values):,.0f} to {max(values):,.0f}"


def last_lines(settings: Settings, program: str) -> str:
    """The end of a program's log, cut to what a message holds, without our keys."""
    secrecy = secrecy_of(settings)
    # before lines are cut: half a key is none that can be found
    logs = [secrecy.redact(tail(file, LOOKED_BACK)) for file in log_files(settings, program)]
    return "\n".join(entries("\n".join(logs))[-LOG_LINES:])


def entries(log: str) -> list[str]:
    """The first line of each entry, cut to a width that can be read: stacks of Java's help nobody at night. Pure."""
    lines = [line for line in log.splitlines() if line.strip() and not line.startswith((" ", "\t"))]
    dated = [line for line in lines if _DATED.match(line)]
    return [line[:LOG_WIDTH] for line in dated or lines]
