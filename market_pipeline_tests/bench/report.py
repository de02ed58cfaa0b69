"""Figures into tables. Pure."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass
class Latency:
    """Milliseconds by round of one arrangement at one rate."""

    arrangement: str
    rate: int
    rounds: list[list[float]] = field(default_factory=list)

    def median_of(self, share: float) -> float:
        """The median over the rounds of a percentile."""
        return statistics.median(percentile(values, share) for values in self.rounds)

    @property
    def worst(self) -> float:
        return max(max(values) for values in self.rounds)

    @property
    def probes(self) -> int:
        return sum(len(values) for values in self.rounds)


def _ms(value: float) -> str:
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def latency_table(latencies: Sequence[Latency], reference: str) -> str:
    """Markdown; the last column is each p50 over that of ``reference`` at the same rate, measured in the same run."""
    measured = [one for one in latencies if one.rounds]
    base = {one.rate: one.median_of(0.5) for one in measured if one.arrangement == reference}
    lines = [
        "| received → queryable | trades/s | p50 ms | p90 | p99 | max | probes | p50 ratio |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for one in measured:
        figures = " | ".join(_ms(one.median_of(share)) for share in (0.5, 0.9, 0.99))
        ratio = one.median_of(0.5) / base.get(one.rate, math.nan)
        lines.append(
            f"| {one.arrangement} | {one.rate:,} | {figures} | {_ms(one.worst)} | {one.probes:,} | {ratio:,.1f}× |"
        )
    return "\n".join(lines)


def catch_up_table(rates: Mapping[str, Sequence[float]], rows: int, reference: str) -> str:
    """Markdown: rows a second that became queryable, the median over the rounds."""
    measured = {name: found for name, found in rates.items() if found}
    base = statistics.median(measured.get(reference, [math.nan]))
    lines = [f"| catch-up, {rows:,} rows | rows/s | ratio |", "|---|--:|--:|"]
    for name, found in measured.items():
        middle = statistics.median(found)
        lines.append(f"| {name} | {middle:,.0f} | {middle / base:.2f}× |")
    return "\n".join(lines)


def cost_table(costs: Mapping[str, Mapping[str, tuple[float, float]]]) -> str:
    """Markdown: cores and memory of each program by situation, with the sum."""
    names = list(dict.fromkeys(name for weights in costs.values() for name in weights))
    head = "| | " + " | ".join(f"{situation}: cores | MiB" for situation in costs) + " |"
    lines = [head, "|---|" + "--:|--:|" * len(costs)]
    for name in names:
        cells = []
        for weights in costs.values():
            cells += [f"{weights[name][0]:.2f}", f"{weights[name][1]:,.0f}"] if name in weights else ["", ""]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    sums = []
    for weights in costs.values():
        sums += [f"{sum(c for c, _ in weights.values()):.2f}", f"{sum(m for _, m in weights.values()):,.0f}"]
    lines.append("| **together** | " + " | ".join(sums) + " |")
    return "\n".join(lines)
