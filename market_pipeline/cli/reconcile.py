"""``reconcile``: one command that says 0 lost, 0 doubled, or names the trades."""

import sys
from datetime import UTC, date, datetime

import click
from rich.table import Table

from market_pipeline.bronze.archive import bronze_days
from market_pipeline.cli import PipelineError, load_settings
from market_pipeline.cli.echo import echo
from market_pipeline.cli.terminal import console
from market_pipeline.quality.ledger import BarMismatch, Difference
from market_pipeline.reconcile import Report
from market_pipeline.reconcile import reconcile as compare_hops
from market_pipeline.settings import Settings
from market_pipeline.store.cells import json_cell
from market_pipeline.store.cluster import STORE_ERRORS
from market_pipeline.store.failure import one_line

NAMED = 5


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
@click.option("--day", type=Day(), default=None, help="UTC day by event time (default: today).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def reconcile(day: date | None, as_json: bool) -> None:
    """Compare received = produced = bronze = silver = bars for a UTC day.

    Exit 0 only when nothing is missing and nothing is doubled; else 1, and what differs is named. A day without a trade
    proves nothing: exit 1.

    \b
    Examples:
      market-pipeline reconcile
      market-pipeline reconcile --day 2025-11-10 --json
    """
    settings = load_settings()
    which = day or datetime.now(UTC).date()
    try:
        with console(err=True).status(f"comparing {which} (UTC)") as spinner:
            report = compare_hops(settings, which, progress=lambda text: spinner.update(f"{text} …"))
    except STORE_ERRORS as error:
        raise PipelineError(one_line(error)) from None
    echo(_as_json(report)) if as_json else _print(report)
    if report.empty:
        raise PipelineError(_nothing(settings, which))
    sys.exit(0 if report.clean else 1)


def _nothing(settings: Settings, day: date) -> str:
    """There is no trade of the day anywhere: which days have some."""
    days = [each for each in bronze_days(settings) if each != day]
    others = "there is none of another day either"
    if days:
        others = f"the last days with trades are {', '.join(map(str, days[-NAMED:]))}: --day chooses one"
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
    for difference in report.differences:
        for line in _lines(difference):
            echo(line)
    for bar in report.bars[:NAMED]:
        echo(_bar_line(bar))
    if len(report.bars) > NAMED:
        echo(f"  … and {len(report.bars) - NAMED:,} more bars")
    if report.bars:
        echo(
            "  mend: dagster asset materialize -m market_pipeline.definitions "
            f"--select ohlcv_1m --partition {report.day}"
        )
    if report.open_bars:
        echo(f"  {report.open_bars:,} bars were left out: trades have come into them since this began")
    if report.empty:
        return
    verdict = "nothing is missing" if report.clean else "this is not in order"
    echo(
        f"{report.lost:,} lost, {report.doubled:,} doubled, {len(report.bars):,} bars wrong: {verdict} "
        f"({report.seconds:.1f} s)",
        fg="green" if report.clean else "red",
    )


def _lines(difference: Difference) -> list[str]:
    kinds = (("missing", difference.missing), ("too much", difference.extra), ("different", difference.changed))
    return [
        f"  {difference.hop}: {len(ids):,} {kind}: {', '.join(ids[:NAMED])}{' …' if len(ids) > NAMED else ''}"
        for kind, ids in kinds
        if ids
    ]


def _bar_line(bar: BarMismatch) -> str:
    minute = datetime.fromtimestamp(bar.minute / 1000, tz=UTC).isoformat(timespec="minutes")
    have = "no bar" if bar.have is None else f"{bar.have.trades:,} trades, volume {bar.have.volume:f}"
    return f"  bar {bar.symbol} {minute}: {have}; silver has {bar.want.trades:,} trades, volume {bar.want.volume:f}"


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
                {"hop": d.hop, "missing": d.missing, "extra": d.extra, "changed": d.changed} for d in report.differences
            ],
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
            "seconds": round(report.seconds, 2),
        }
    )
