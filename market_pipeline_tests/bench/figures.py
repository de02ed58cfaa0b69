"""Percentiles, medians and their spread. Pure."""

import math
import statistics
from collections.abc import Sequence

SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of all values do not exceed (nearest rank); NaN of none."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def summary(values: Sequence[float]) -> dict[str, float]:
    """``SHARES`` of the values, and how many there are (``count``)."""
    return {name: percentile(values, share) for name, share in SHARES.items()} | {"count": len(values)}


def median(rounds: Sequence[float]) -> float:
    """NaN of none."""
    return statistics.median(rounds) if rounds else math.nan


def spread(rounds: Sequence[float]) -> float:
    """Half of what lies between the largest and the smallest, as a share of the median."""
    middle = median(rounds)
    return (max(rounds) - min(rounds)) / 2 / middle if rounds and middle else 0.0
