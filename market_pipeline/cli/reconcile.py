"""``reconcile``: one command that says 0 lost, 0 doubled, or names the trades."""

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import islice

import click
from rich.table import Table

from market_pipeline.cli import PipelineError, load_settings
from market_pipeline.cli.echo import echo
from market_pipeline.cli.terminal import console
from market_pipeline.local.programs import MATERIALIZE
from market_pipeline.model import EXACT
from market_pipeline.quality.bar_sums import BarMismatch, BarSum
from market_pipeline.quality.digest import Difference
from market_pipeline.quality.latest import LatestPrice, PriceMismatch
from market_pipeline.reconcile import Report, days_with_trades, newest_day
from market_pipeline.reconcile import reconcile as compare_hops
from market_pipeline.settings import Settings
from market_pipeline.store.cells import json_cell
from market_pipeline.store.cluster import STORE_ERRORS
from market_pipeline.store.failure import one_line

NAMED = 5
REBUILD = f"{MATERIALIZE} {{table}} --partition {{day}}"
HINTS = {
    "produced": "the producer sends what Kafka has not confirmed as soon as both run: see `market-pipeline status`",
    "bronze": "`market-pipeline archive` takes what is still in Kafka",
    "silver": f"rebuild the day from bronze: `{REBUILD.format(table='trades_silver', day='{day}')}`",
}
"""By hop, what to do about trades that it lacks, or has too much or otherwise."""


class Day(click.ParamType[date]):
    """A UTC day."""

    name = "day"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a day: write it as 2026-11-24", param, ctx)


@click.command()
@click.option("--day", type=Day(), default=None, help="UTC day by event time (default: the newest with trades).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def reconcile(day: date | None, as_json: bool) -> None:
    """Compare received = produced = bronze = silver = bars and latest prices for a UTC day.

    Exit 0 only when nothing is missing and nothing is doubled; else 1, and what differs is named. A day without a trade
    proves nothing: exit 1.

    \b
    Examples:
      market-pipeline reconcile
      market-pipeline reconcile --day 2025-11-10 --json
    """
    settings = load_settings()
    try:
        with console(err=True).status("looking for the newest day with trades …") as spinner:
            which = day or newest_day(settings)
            if which is None:
                raise PipelineError(
                    "no trade of any day was received yet, so that nothing was compared: see `market-pipeline status`"
                )
            if day is None:
                echo(f"comparing {which} (UTC), the newest day with trades; --day chooses another", err=True)
            report = compare_hops(settings, which, progress=lambda text: spinner.update(f"{which} (UTC): {text} …"))
    except STORE_ERRORS as error:
        raise PipelineError(one_line(error)) from None
    echo(_as_json(report)) if as_json else _print(report)
    if report.empty:
        raise PipelineError(_nothing(settings, which))
    sys.exit(0 if report.clean else 1)


def _nothing(settings: Settings, day: date) -> str:
    """There is no trade of the day anywhere: which days have some."""
    # by the archive alone, which may hold a trade of the day that was compared a moment ago
    days = sorted(islice((each for each in days_with_trades(settings) if each != day), NAMED))
    others = "there is none of another day either"
    if days:
        others = f"the last days with trades are {', '.join(map(str, days))}: --day chooses one"
    return f"no trade of {day} (UTC) at any hop, so that nothing was compared; {others}"


def _print(report: Report) -> None:
    filled = ("filled",) if report.filled else ()
    table = Table(
        "hop", "trades", *filled, "sent again", "remembers", title=f"{report.day} (UTC)", title_justify="left"
    )
    for hop, count in report.counts.items():
        again = report.repeated.get(hop, 0)
        since = f"since {report.since[hop]}" if hop in report.since else "everything"
        more = (f"{report.filled[hop]:,}" if hop in report.filled else "",) if report.filled else ()
        table.add_row(hop, f"{count:,}", *more, f"{again:,}" if again else "", since)
    console().print(table)
    if report.filled:
        echo("filled: from a second source, for a gap of the feed; never received here, and in the bars once rebuilt")
    if report.counts.get("bars") != report.counts.get("silver"):
        echo("bars count trades; price updates (volume 0) move no more than their prices")
    for line in _differences(report):
        echo(line)
    if report.open_bars:
        echo(f"  {report.open_bars:,} bars were left out: trades have come into them since this began")
    if report.empty:
        return
    verdict = "nothing is missing" if report.clean else "reconciliation FAILED"
    echo(
        f"{report.lost:,} lost, {report.doubled:,} doubled, {len(report.bars):,} bars wrong, "
        f"{len(report.prices):,} latest prices wrong: {verdict} ({report.seconds:.1f} s)",
        fg="green" if report.clean else "red",
    )


def _differences(report: Report) -> Iterator[str]:
    """Which trades, bars and prices differ, and what to do about them."""
    for difference in report.differences:
        yield from _lines(difference)
        if difference.hop in HINTS:
            yield f"  {difference.hop}: {HINTS[difference.hop].format(day=report.day)}"
    if report.unsettled:
        yield (
            f"  {report.unsettled:,} minutes changed while they were compared: run it again when the stream has caught "
            "up (`market-pipeline status` shows its lag)"
        )
    yield from _some([_bar_line(bar) for bar in report.bars[:NAMED]], len(report.bars), "bars")
    if report.bars:
        yield f"  bars: rebuild them from bronze: `{REBUILD.format(table='ohlcv_1m', day=report.day)}`"
    yield from _some([_price_line(price) for price in report.prices[:NAMED]], len(report.prices), "prices")
    if report.prices:
        rebuild = REBUILD.format(table="latest_prices", day=report.day)
        yield f"  latest prices: rebuild them from bronze: `{rebuild}`"


def _some(lines: list[str], of: int, what: str) -> list[str]:
    return [*lines, f"  … and {of - len(lines):,} more {what}"] if of > len(lines) else lines


def _lines(difference: Difference) -> list[str]:
    kinds = (
        ("missing", difference.missing, difference.more_missing),
        ("too many", difference.extra, difference.more_extra),
        ("different", difference.changed, 0),
    )
    found = [(kind, ids, len(ids) + more) for kind, ids, more in kinds if ids or more]
    return [
        f"  {difference.hop}: {count:,} {kind}: {', '.join(ids[:NAMED])}{' …' if count > NAMED else ''}"
        for kind, ids, count in found
    ]


def _price_line(price: PriceMismatch) -> str:
    have = "no row" if price.have is None else _price(price.have)
    want = "bronze has no such trade" if price.want is None else f"the newest trade is {_price(price.want)}"
    return f"  latest price of {price.symbol}: {have}; {want}"


def _price(price: LatestPrice) -> str:
    at = datetime.fromtimestamp(price.ts / 1000, tz=UTC).isoformat(timespec="milliseconds")
    figure = "no price" if price.price is None else f"{price.price.normalize(EXACT):f}"
    return f"{figure} at {at} ({price.trade_id})"


def _bar_line(bar: BarMismatch) -> str:
    minute = datetime.fromtimestamp(bar.minute / 1000, tz=UTC).isoformat(timespec="minutes")
    have = "no bar" if bar.have is None else _sum(bar.have)
    return f"  bar {bar.symbol} {minute}: {have}; silver has {_sum(bar.want)}"


def _sum(bar: BarSum) -> str:
    """What a bar adds up to; a row may lack either figure."""
    trades = "no number of" if bar.trades is None else f"{bar.trades:,}"
    return f"{trades} trades, {'no volume' if bar.volume is None else f'volume {bar.volume:f}'}"


def _as_json(report: Report) -> str:
    day: date = report.day
    return json_cell(
        {
            "day": day.isoformat(),
            "clean": report.clean and not report.empty,
            "lost": report.lost,
            "doubled": report.doubled,
            "counts": report.counts,
            "filled": report.filled,
            "sent_again": report.repeated,
            "remembers_since": report.since,
            "differences": [
                {
                    "hop": d.hop,
                    "missing": d.missing,
                    "extra": d.extra,
                    "changed": d.changed,
                    "more_missing": d.more_missing,
                    "more_extra": d.more_extra,
                }
                for d in report.differences
            ],
            "unsettled_minutes": report.unsettled,
            "bars": [
                {
                    "symbol": bar.symbol,
                    "minute": datetime.fromtimestamp(bar.minute / 1000, tz=UTC),
                    "silver": bar.want._asdict(),
                    "bar": bar.have._asdict() if bar.have else None,
                }
                for bar in report.bars
            ],
            "open_bars": report.open_bars,
            "latest_prices": [
                {
                    "symbol": price.symbol,
                    "newest_trade": price.want._asdict() if price.want else None,
                    "row": price.have._asdict() if price.have else None,
                }
                for price in report.prices
            ],
            "seconds": round(report.seconds, 2),
        }
    )
