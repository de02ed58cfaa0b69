"""Whether a bar can be true, and whether two tellings of the same bars agree. Prices in the quote currency."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import reduce
from typing import Any

from market_pipeline.model import EXACT

Figures = Mapping[str, Any]
"""open, high, low, close, volume, vwap (None without volume) and trades, by name."""
_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True)
class BarFault:
    """A bar that can't be true; ``fault`` says why, with its figures."""

    symbol: str
    at: datetime
    fault: str

    def __str__(self) -> str:
        return f"{self.symbol} {self.at:%Y-%m-%d %H:%M} {self.fault}"


def faults_of(symbol: str, bars: Mapping[datetime, Figures]) -> Iterator[BarFault]:
    """What is wrong in itself with a symbol's bars, one fault a bar."""
    for at, bar in sorted(bars.items()):
        fault = _fault(bar)
        if fault is not None:
            yield BarFault(symbol, at, fault)


def _fault(bar: Figures) -> str | None:
    missing = [name for name in (*_PRICES, "volume", "trades") if bar[name] is None]
    if missing:
        return f"has no {', '.join(missing)}"
    low, high, volume, trades, vwap = bar["low"], bar["high"], bar["volume"], bar["trades"], bar["vwap"]
    if low <= 0:
        return f"low {low} is not positive"
    outside = [name for name in ("open", "close") if not low <= bar[name] <= high]
    if outside:
        return f"{outside[0]} {bar[outside[0]]} is not within {low} to {high}"
    if volume < 0 or trades < 0 or (volume > 0) != (trades > 0):
        return f"volume {volume} does not fit {trades} trades"
    if (vwap is None) != (volume == 0):
        return f"vwap {vwap} does not fit volume {volume}"
    if vwap is not None and not low <= vwap <= high:
        return f"vwap {vwap} is not within {low} to {high}"
    return None


VWAP_UNIT = Decimal("1e-18")
"""The last digit of a vwap, as of a price."""
_DIVISION = Context(prec=100, rounding=ROUND_HALF_UP)


def exact_vwap(notional: Decimal | None, volume: Decimal | None) -> Decimal | None:
    """The volume-weighted average price, rounded half up to 18 decimals: so it is within the prices that it is made
    of. None without a volume, or where a sum outgrew its type."""
    if not volume or notional is None:
        return None
    return _DIVISION.divide(notional, volume).quantize(VWAP_UNIT, context=_DIVISION)


def differing_figure(stream: Figures, batch: Figures) -> str | None:
    """The first figure in which two tellings of a bar differ."""
    return next((name for name in batch if stream[name] != batch[name]), None)


@dataclass(frozen=True)
class BarDifference:
    """A figure that two tellings of a bar don't share; None stands for a bar or a figure that is not there."""

    symbol: str
    at: datetime
    figure: str
    stream: object
    batch: object

    def __str__(self) -> str:
        return f"{self.symbol} {self.at:%Y-%m-%d %H:%M} {self.figure}: stream {self.stream}, batch {self.batch}"


def differences(
    symbol: str, stream: Mapping[datetime, Figures], batch: Mapping[datetime, Figures], until: datetime
) -> Iterator[BarDifference]:
    """Where the stream's bars and the batch's differ, over bars that start before ``until``; one a bar."""
    for at in sorted(at for at in stream.keys() | batch.keys() if at < until):
        ours, theirs = stream.get(at), batch.get(at)
        if ours is None or theirs is None:
            yield BarDifference(symbol, at, "bar", "has it" if ours else "none", "has it" if theirs else "none")
            continue
        figure = differing_figure(ours, theirs)
        if figure is not None:
            yield BarDifference(symbol, at, figure, ours[figure], theirs[figure])


@dataclass(frozen=True)
class VolumeFault:
    """An hour in which the bars' volume is not the sum over the trades."""

    symbol: str
    hour: datetime
    bars: Decimal
    trades: Decimal

    def __str__(self) -> str:
        return f"{self.symbol} {self.hour:%Y-%m-%d %H:00}: bars {self.bars}, trades {self.trades}"


def volume_faults(
    bars: Mapping[tuple[str, datetime], Decimal], trades: Mapping[tuple[str, datetime], Decimal]
) -> list[VolumeFault]:
    """Hours in which the volumes differ, by (symbol, hour); an hour without an entry has none."""
    zero = Decimal(0)
    return [
        VolumeFault(*key, bars.get(key, zero), trades.get(key, zero))
        for key in sorted(bars.keys() | trades.keys())
        if bars.get(key, zero) != trades.get(key, zero)
    ]


def hourly_volume(symbol: str, bars: Mapping[datetime, Figures]) -> dict[tuple[str, datetime], Decimal]:
    """The volume of a symbol's bars by hour."""
    sums: dict[tuple[str, datetime], Decimal] = {}
    for at, bar in bars.items():
        key = (symbol, at.replace(minute=0, second=0, microsecond=0))
        sums[key] = EXACT.add(sums.get(key, Decimal(0)), bar["volume"] or Decimal(0))
    return sums


def merged(bars: Iterable[Figures]) -> dict[str, Any] | None:
    """One bar out of bars in the order of their time, less vwap, which can't be had from rounded ones.

    A figure that one of them lacks is None: ``faults_of`` tells which.
    """
    every = list(bars)
    if not every:
        return None
    return {
        "open": every[0]["open"],
        "high": _of_all(every, "high", max),
        "low": _of_all(every, "low", min),
        "close": every[-1]["close"],
        "volume": _of_all(every, "volume", lambda volumes: reduce(EXACT.add, volumes)),
        "trades": _of_all(every, "trades", sum),
    }


def _of_all(bars: Iterable[Figures], name: str, combine: Callable[[list[Any]], Any]) -> Any:
    values = [bar[name] for bar in bars]
    return None if None in values else combine(values)
